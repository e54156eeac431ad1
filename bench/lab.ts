// What the benchmarks share: things that are closed in reverse order whatever happens, the origin, the programs of the
// floors, and the pod and agent with a probe loaded into them.
import { Cluster, type ClusterOptions } from '../tests/harness/cluster.ts';
import { Program } from '../tests/harness/process.ts';
import { bundled, podScript } from './bundles.ts';

export type Say = (line: string) => void;

export interface Closable {
  close(): Promise<unknown>;
}

/** Hands the thing back, and closes it when the benchmark is over. */
export type Use = <T extends Closable>(thing: T) => T;

/** Loads the probe into a program: it reports memory and loop lag when asked, see probed.ts. */
export const probedEnv: Readonly<Record<string, string>> = preload(await bundled('probe-main.ts'));

/** The environment that loads a file into a program before its own. */
export function preload(file: string): Record<string, string> {
  return { NODE_OPTIONS: `--import=${file}` };
}

export async function inLab<T>(run: (use: Use) => Promise<T>): Promise<T> {
  const things: Closable[] = [];
  try {
    return await run((thing) => {
      things.push(thing);
      return thing;
    });
  } finally {
    for (const thing of things.reverse()) await thing.close();
  }
}

/** Starts a script of bench/ that says where it listens; `port` answers for each of its doors. */
export async function startScript(
  use: Use,
  script: string,
  { args = [], env = {} }: { args?: readonly string[]; env?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly program: Program; readonly port: (door?: string) => Promise<number> }> {
  const program = new Program({ name: script, args: [await bundled(script), ...args], env });
  use({ close: () => program.kill() });
  const port = async (door?: string) => {
    const line = await program.waitForLog('listening', (said) => said.msg === 'listening' && said.door === door);
    return Number(line.port);
  };
  return { program, port };
}

/** The origin of every benchmark, see origin.ts; its address without a path. */
export async function startOrigin(use: Use): Promise<{ readonly port: number; readonly url: string }> {
  const port = await (await startScript(use, 'origin.ts')).port();
  return { port, url: `http://127.0.0.1:${port}` };
}

/** As the image runs it, unless the options have another script. */
export async function startCluster(use: Use, options: ClusterOptions = {}): Promise<Cluster> {
  return use(await Cluster.start({ script: await podScript(), ...options }));
}

/** What stands in sources, for a file that is preloaded to change it. */
export const podSources: readonly string[] = ['cmd/orchestrator/main.ts'];

/** What an agent needs in order to reach that origin with many jobs at once. */
export function agentEnv(originPort: number): Record<string, string> {
  return { AGENT_ALLOW_ENDPOINTS: `127.0.0.1/32:${originPort}`, AGENT_MAX_CONCURRENT: '128', LOG_LEVEL: 'warn' };
}
