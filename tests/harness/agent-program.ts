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
}

export function agentProgram({ name, keyName, key, port, cwd, env = {}, prefix = [] }: AgentProgramOptions): Program {
  return new Program({
    name: `agent ${keyName}/${name}`,
    args: ['cmd/agent/main.ts'],
    prefix,
    cwd,
    env: { ORCH_WS: `ws://127.0.0.1:${port}/agent`, AGENT_KEY: key, AGENT_NAME: name, ...env },
  });
}
