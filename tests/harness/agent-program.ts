// A real agent as a child process.
import { Program } from './process.ts';

export interface AgentProgramOptions {
  /** AGENT_NAME. */
  readonly name: string;
  readonly keyName: string;
  readonly key: string;
  /** Where it dials. */
  readonly port: number;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that runs it elsewhere, such as in another network. */
  readonly prefix?: readonly string[];
  /** What Node runs: the sources by default, or a bundle. */
  readonly script?: string;
}

export function agentProgram(options: AgentProgramOptions): Program {
  const { name, keyName, key, port, cwd, env = {}, prefix = [], script = 'cmd/agent/main.ts' } = options;
  return new Program({
    name: `agent ${keyName}/${name}`,
    args: [script],
    prefix,
    cwd,
    env: { ORCH_WS: `ws://127.0.0.1:${port}/agent`, AGENT_KEY: key, AGENT_NAME: name, ...env },
  });
}
