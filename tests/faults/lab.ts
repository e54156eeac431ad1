// Where faults happen: a fleet with agents spread over it, an origin, callers under load, and the record of it all. What
// the run has shown is printed, and thrown when a rule was broken; then the record stays, and the error says where.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Balancer } from '../harness/balancer.ts';
import { Fleet, type FleetOptions } from '../harness/fleet.ts';
import { Origin } from '../harness/origin.ts';
import type { LogLine, Program } from '../harness/process.ts';
import { say, seed } from '../harness/run.ts';
import type { Closable, Use } from '../harness/story.ts';
import { waitForTrueView } from '../harness/view.ts';
import { type Caller, callerAt } from './callers.ts';
import { type Door, History } from './history.ts';
import { Load } from './load.ts';
import { Recorder } from './recorder.ts';
import { invariants, type Rule } from './rules.ts';
import { judge, type Minimums } from './verdict.ts';

export interface FaultLabOptions extends FleetOptions {
  readonly agents: number;
  readonly agentEnv?: Readonly<Record<string, string>>;
}

export interface LoadShape {
  /** How many callers of each kind, at each address. */
  readonly callers: Readonly<Record<Door, number>>;
  readonly longestStreamMs: number;
  /** Where they ask: by default a balancer in front of all pods. */
  readonly at?: ReadonlyMap<string, Balancer>;
}

/** Programs that start all at once, perhaps beside others: nothing is under test yet. */
const startBoundMs = 60_000;
/** What an agent says when a pod has welcomed it. */
export function isWelcome({ connection, pod }: LogLine): boolean {
  return connection !== undefined && pod !== undefined;
}

const noMinimums: Minimums = { downs: 0, ended: 1, atOrigin: 0 };

export class FaultLab implements Closable {
  readonly fleet: Fleet;
  readonly origin: Origin;
  readonly recorder: Recorder;
  /** In front of all pods; agents dial it too. */
  readonly balancer: Balancer;
  readonly #agentEnv: Readonly<Record<string, string>>;
  /** The newest process of each name, dead or alive. */
  readonly #agents = new Map<string, Program>();
  #keepRecord = false;

  private constructor(
    parts: { fleet: Fleet; origin: Origin; recorder: Recorder; balancer: Balancer },
    agentEnv: Readonly<Record<string, string>>,
  ) {
    this.fleet = parts.fleet;
    this.origin = parts.origin;
    this.recorder = parts.recorder;
    this.balancer = parts.balancer;
    this.#agentEnv = { AGENT_ALLOW_ENDPOINTS: parts.origin.endpoint, AGENT_MAX_CONCURRENT: '128', ...agentEnv };
  }

  static async start(use: Use, { agents, agentEnv = {}, ...options }: FaultLabOptions): Promise<FaultLab> {
    const fleet = await Fleet.start(options);
    const recorder = new Recorder(join(await mkdtemp(join(tmpdir(), 'resproxy-faults-')), `${seed}.jsonl`));
    const origin = await Origin.start({ onHit: ({ marker }) => recorder.add({ kind: 'hit', job: marker }) });
    const lab = use(new FaultLab({ fleet, origin, recorder, balancer: await fleet.balancer() }, agentEnv));
    for (let i = 0; i < agents; i++) await lab.startAgent(`agent-${i}`);
    await waitForTrueView(fleet, agents, startBoundMs);
    return lab;
  }

  /** How many there are. */
  get agents(): number {
    return this.#agents.size;
  }

  get agentNames(): readonly string[] {
    return [...this.#agents.keys()];
  }

  /** Through the balancer, unless `to` names a pod; one that had this name must be dead. */
  async startAgent(name: string, to?: string): Promise<Program> {
    const dialled = to ?? this.balancer.port('agent');
    const agent = await this.fleet.startAgent({ name, to: dialled, env: this.#agentEnv });
    this.#agents.set(name, agent);
    const welcomed = (pod: unknown) => this.recorder.add({ kind: 'welcomed', agent: name, pod: String(pod) });
    agent.onLog((line) => isWelcome(line) && welcomed(line.pod));
    return agent;
  }

  async killAgent(name: string): Promise<void> {
    await this.#agents.get(name)?.kill();
  }

  load({ callers, longestStreamMs, at = new Map([['balancer', this.balancer]]) }: LoadShape): Load {
    const all: Caller[] = [];
    for (const [via, balancer] of at) {
      const [grpcPort, httpPort, { token }] = [balancer.port('grpc'), balancer.port('http'), this.fleet.access];
      for (const [door, count] of Object.entries(callers) as [Door, number][])
        for (let i = 0; i < count; i++) all.push(callerAt(door, { via, grpcPort, httpPort, token }));
    }
    return Load.start({ callers: all, origin: this.origin, recorder: this.recorder, longestStreamMs });
  }

  trueView(boundMs?: number): Promise<void> {
    return waitForTrueView(this.fleet, this.agents, boundMs);
  }

  /** Prints what the run has shown, and throws when a rule was broken or too little happened. */
  verdict(title: string, rules: readonly Rule[], minimums: Minimums = noMinimums): void {
    const { broken, invalid, line } = judge(new History(this.recorder.events), [...invariants, ...rules], minimums);
    say(`${title}, seed ${seed}: ${line}`);
    const faults = [...broken];
    if (invalid.length > 0) faults.push(`the run is invalid, too little happened: ${invalid.join(', ')}`);
    if (faults.length === 0) return;
    this.#keepRecord = true;
    throw new Error(`${faults.join('\n')}\nseed ${seed}, record ${this.recorder.path}`);
  }

  /** The record last: until then somebody may have something to say. */
  async close(): Promise<void> {
    await this.fleet.close();
    await this.origin.close();
    await this.recorder.close();
    if (!this.#keepRecord) await rm(dirname(this.recorder.path), { recursive: true });
  }
}
