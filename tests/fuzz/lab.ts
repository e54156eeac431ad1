// Where mutants are let loose: a real orchestrator, an honest agent beside whatever lies, and the questions that must
// have the same answers after every round. Faults that the orchestrator logs are faults.
import { readFileSync } from 'node:fs';
import { Cluster } from '../harness/cluster.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Origin } from '../harness/origin.ts';
import type { LogLine, Program } from '../harness/process.ts';
import { until, within } from '../harness/waiting.ts';
import type { Markers } from './corpus.ts';

/** What became of mutants, counted by words such as `closed 4000`. */
export type Tally = Map<string, number>;

export function count(tally: Tally, outcome: string, more = 1): void {
  tally.set(outcome, (tally.get(outcome) ?? 0) + more);
}

interface Tokens {
  readonly fuzzer: string;
  readonly liars: string;
}

const honestExit = 'home-1/default/direct';
/** A process that has met every path is this much larger than a fresh one, at most. */
const maxGrowthBytes = 384 * 1024 * 1024;

export class FuzzLab {
  readonly cluster: Cluster;
  readonly origin: Origin;
  /** Keys of agents that lie, one for each that may be connected at once. */
  readonly keys: readonly string[];
  readonly markers: Markers;
  /** The one tenant that may use them: nobody else's job meets a lie. */
  readonly liarsCaller: GrpcCaller;
  readonly #rssAtStart = new Map<Program, number>();
  #logsSeen = 0;

  private constructor(cluster: Cluster, origin: Origin, agent: Program, keys: readonly string[], tokens: Tokens) {
    this.cluster = cluster;
    this.origin = origin;
    this.keys = keys;
    this.markers = { token: tokens.fuzzer, port: origin.port };
    this.liarsCaller = new GrpcCaller(cluster.ports.grpc, tokens.liars);
    for (const program of [cluster.orchestrator, agent]) this.#rssAtStart.set(program, rssBytes(program));
  }

  static async start(lanes = 8): Promise<FuzzLab> {
    const origin = await Origin.start();
    const cluster = await Cluster.start();
    const agent = await cluster.startAgent({ env: agentEnv(origin) });
    const keys: string[] = [];
    for (let i = 0; i < lanes; i++) keys.push(await cluster.addKey({ name: `liar-${i}`, tenants: ['liars'] }));
    // It may not act on agents: a mutant that drains the honest one would be right.
    const fuzzer = await cluster.addCaller('fuzzer', 'acme', ['jobs:run', 'agents:read']);
    const liars = await cluster.addCaller('liars', 'liars', ['jobs:run', 'agents:read']);
    const lab = new FuzzLab(cluster, origin, agent, keys, { fuzzer, liars });
    await until('new callers are known', () => lab.callersAreKnown(liars));
    return lab;
  }

  /** When all is quiet: well, and nothing held of what went before. */
  async checkup(): Promise<void> {
    await this.vitals();
    await until('stream buffers are empty', () => this.#buffersAreEmpty(), 20_000);
  }

  /** At any time: the processes live, answer, do an honest job, keep their size and log no defect. */
  async vitals(): Promise<void> {
    for (const program of this.#rssAtStart.keys())
      if (!program.alive) throw new Error(`${program.name} died\n${program.tail()}`);
    if ((await this.cluster.probe('/livez')) !== 200) throw new Error('/livez does not answer');
    await within('an honest job', 10_000, this.honestJob());
    for (const [program, before] of this.#rssAtStart) {
      const grown = rssBytes(program) - before;
      if (grown > maxGrowthBytes) throw new Error(`${program.name} grew by ${grown} bytes`);
    }
    this.#checkLogs();
  }

  async honestJob(): Promise<void> {
    const { cluster, origin } = this;
    const job = { url: origin.url('/bytes/7'), target: { exitId: honestExit } };
    const { status, json } = await cluster.rest.runJob(job);
    if (status !== 200) throw new Error(`an honest job failed: ${status} ${JSON.stringify(json)}`);
  }

  /** In words, for the report. */
  memory(): string {
    const mib = (bytes: number) => Math.round(bytes / 1024 / 1024);
    return [...this.#rssAtStart]
      .map(([program, before]) => `${program.name} ${mib(before)} -> ${mib(rssBytes(program))} MiB`)
      .join(', ');
  }

  async close(): Promise<void> {
    await this.liarsCaller.close();
    await this.cluster.close();
    await this.origin.close();
  }

  async callersAreKnown(token: string): Promise<boolean> {
    const headers = { authorization: `Bearer ${token}` };
    const url = `${this.cluster.rest.baseUrl}/agents`;
    return (await fetch(url, { headers, signal: AbortSignal.timeout(5_000) })).ok;
  }

  async #buffersAreEmpty(): Promise<boolean> {
    return (await this.cluster.metrics()).sum('resproxy_stream_buffered_bytes') === 0;
  }

  #checkLogs(): void {
    const { logs } = this.cluster.orchestrator;
    const fault = logs.slice(this.#logsSeen).find(isDefect);
    this.#logsSeen = logs.length;
    if (fault) throw new Error(`the orchestrator met a defect: ${JSON.stringify(fault)}`);
  }
}

/** Mutated URLs lead nowhere but to the origin of the test. */
export function agentEnv(origin: Origin): Record<string, string> {
  return { AGENT_ALLOW_ENDPOINTS: origin.endpoint, AGENT_ALLOW_PORTS: '9' };
}

/** What an agent did or said of itself is told as an error too; whatever else is, is ours. */
export function isDefect({ level, err }: LogLine): boolean {
  const { type = '', message = '' } = (err ?? {}) as { readonly type?: string; readonly message?: string };
  const isOfAgent = type === 'JobFailure' || type === 'StreamError' || message.startsWith('agent: ');
  return (level === 'error' || level === 'fatal') && !isOfAgent;
}

export function rssBytes({ pid }: Program): number {
  const [, kib = '0'] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/** Runs cases `from` up to `end`, so many at once. */
export async function inLanes(
  from: number,
  end: number,
  lanes: number,
  run: (index: number, lane: number) => Promise<void>,
) {
  let next = from;
  const lane = async (number: number) => {
    while (next < end) await run(next++, number);
  };
  await Promise.all(Array.from({ length: lanes }, (_, number) => lane(number)));
}
