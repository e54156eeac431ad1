// What a job costs: RunJob over gRPC, REST and Connect, 2 KiB and eight headers from a local origin, 64 in flight, through
// the real orchestrator and agent and through the floor (bench/floors). The headline is CPU time per job of each process,
// as the median ratio of alternated pairs: that survives a noisy machine, throughput does not. Latency is measured in open
// loop at half of the capacity that the real programs showed: a full closed loop measures its own queue.
import { Cluster } from '../tests/harness/cluster.ts';
import { Program } from '../tests/harness/process.ts';
import { agentScript, bundled, podScript } from './bundles.ts';
import { cpuMicroseconds } from './cpu.ts';
import { type Figure, figure, percentile, show } from './figures.ts';
import { type Caller, caller, type Door, type Doors, doors, load, openLoad } from './load.ts';

/** Two processes that serve jobs. */
interface System {
  readonly doors: Doors;
  readonly podPid: number;
  readonly agentPid: number;
}

interface Measure {
  readonly podUs: number;
  readonly agentUs: number;
  readonly jobsPerSecond: number;
}

interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface Latencies {
  readonly perSecond: number;
  readonly floor: Readonly<Record<keyof Latency, Figure>>;
  readonly real: Readonly<Record<keyof Latency, Figure>>;
}

interface Comparison {
  readonly floor: Readonly<Record<keyof Measure, Figure>>;
  readonly real: Readonly<Record<keyof Measure, Figure>>;
  readonly podRatio: Figure;
  readonly agentRatio: Figure;
  readonly latencies: Latencies;
}

const inFlight = 64;
const warmUpJobs = 5_000;
const jobs = 8_000;
const pairs = 5;
const openSeconds = 2;
const openPairs = 3;

export async function benchJob(say: (line: string) => void): Promise<Partial<Record<Door, Comparison>>> {
  const origin = new Program({ name: 'origin', args: [await bundled('origin.ts')] });
  const stops: (() => Promise<unknown>)[] = [() => origin.kill()];
  try {
    const port = Number((await origin.waitForLog('listening', ({ msg }) => msg === 'listening')).port);
    const floor = await startFloor(stops);
    const real = await startReal(stops, port);
    const url = `http://127.0.0.1:${port}/page?id=4711`;
    say(`${inFlight} in flight, ${jobs} jobs a run, ${pairs} alternated pairs after ${warmUpJobs} jobs of warm-up`);
    say('median (lowest-highest)');
    const comparisons: Partial<Record<Door, Comparison>> = {};
    for (const door of doors) comparisons[door] = await compare(door, floor, real, url, say);
    return comparisons;
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

async function startFloor(stops: (() => Promise<unknown>)[]): Promise<System> {
  const pod = new Program({ name: 'floor pod', args: [await bundled('floors/job-pod.ts')] });
  stops.push(() => pod.kill());
  const port = async (door: string) => Number((await pod.waitForLog(door, (line) => line.door === door)).port);
  const url = `ws://127.0.0.1:${await port('agent')}`;
  const agent = new Program({ name: 'floor agent', args: [await bundled('floors/job-agent.ts'), url] });
  stops.push(() => agent.kill());
  await agent.waitForLog('connected', ({ msg }) => msg === 'connected');
  const doors = { grpcPort: await port('grpc'), httpPort: await port('http'), token: 'none' };
  return { doors, podPid: pod.pid, agentPid: agent.pid };
}

async function startReal(stops: (() => Promise<unknown>)[], originPort: number): Promise<System> {
  const cluster = await Cluster.start({ script: await podScript() });
  stops.push(() => cluster.close());
  const env = { AGENT_ALLOW_ENDPOINTS: `127.0.0.1/32:${originPort}`, AGENT_MAX_CONCURRENT: '128', LOG_LEVEL: 'warn' };
  const agent = await cluster.startAgent({ env, script: await agentScript() });
  const doors = { grpcPort: cluster.ports.grpc, httpPort: cluster.ports.http, token: cluster.token };
  return { doors, podPid: cluster.orchestrator.pid, agentPid: agent.pid };
}

async function compare(
  door: Door,
  floor: System,
  real: System,
  url: string,
  say: (line: string) => void,
): Promise<Comparison> {
  const floorCaller = caller(door, floor.doors, url, inFlight);
  const realCaller = caller(door, real.doors, url, inFlight);
  try {
    await load(floorCaller.run, warmUpJobs, inFlight);
    await load(realCaller.run, warmUpJobs, inFlight);
    const floors: Measure[] = [];
    const reals: Measure[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      floors.push(await measure(floor, floorCaller));
      reals.push(await measure(real, realCaller));
    }
    const latencies = await openLoop(
      floorCaller,
      realCaller,
      figure(reals.map((real) => real.jobsPerSecond)).median / 2,
    );
    return report(door, floors, reals, latencies, say);
  } finally {
    await floorCaller.close();
    await realCaller.close();
  }
}

async function measure({ podPid, agentPid }: System, { run }: Caller): Promise<Measure> {
  const podBefore = cpuMicroseconds(podPid);
  const agentBefore = cpuMicroseconds(agentPid);
  const begin = performance.now();
  await load(run, jobs, inFlight);
  const seconds = (performance.now() - begin) / 1000;
  return {
    podUs: (cpuMicroseconds(podPid) - podBefore) / jobs,
    agentUs: (cpuMicroseconds(agentPid) - agentBefore) / jobs,
    jobsPerSecond: jobs / seconds,
  };
}

async function openLoop(floor: Caller, real: Caller, perSecond: number): Promise<Latencies> {
  const floors: Latency[] = [];
  const reals: Latency[] = [];
  for (let pair = 0; pair < openPairs; pair++) {
    floors.push(await openLatency(floor, perSecond));
    reals.push(await openLatency(real, perSecond));
  }
  return { perSecond: Math.round(perSecond), floor: latencySummary(floors), real: latencySummary(reals) };
}

async function openLatency({ run }: Caller, perSecond: number): Promise<Latency> {
  const latencies = await openLoad(run, Math.round(perSecond * openSeconds), perSecond);
  latencies.sort((a, b) => a - b);
  return { p50Ms: percentile(latencies, 0.5), p99Ms: percentile(latencies, 0.99) };
}

function latencySummary(latencies: readonly Latency[]): Record<keyof Latency, Figure> {
  const of = (name: keyof Latency) => figure(latencies.map((latency) => latency[name]));
  return { p50Ms: of('p50Ms'), p99Ms: of('p99Ms') };
}

function report(
  door: Door,
  floors: Measure[],
  reals: Measure[],
  latencies: Latencies,
  say: (line: string) => void,
): Comparison {
  const ratios = (name: 'podUs' | 'agentUs') => figure(reals.map((real, i) => real[name] / (floors[i]?.[name] ?? 0)));
  const comparison = {
    floor: summary(floors),
    real: summary(reals),
    podRatio: ratios('podUs'),
    agentRatio: ratios('agentUs'),
    latencies,
  };
  const { floor, real, podRatio, agentRatio } = comparison;
  say(`\n${door.padEnd(31)} ${'floor'.padEnd(24)} ${'resproxy'.padEnd(24)} ratio`);
  const line = (name: string, a: Figure, b: Figure, ratio = '') =>
    say(`       ${name.padEnd(24)} ${show(a).padEnd(24)} ${show(b).padEnd(24)} ${ratio}`);
  line('orchestrator, us CPU/job', floor.podUs, real.podUs, show(podRatio));
  line('agent, us CPU/job', floor.agentUs, real.agentUs, show(agentRatio));
  line('jobs per second', floor.jobsPerSecond, real.jobsPerSecond);
  const { perSecond } = latencies;
  line(`p50, ms at ${perSecond}/s`, latencies.floor.p50Ms, latencies.real.p50Ms);
  line(`p99, ms at ${perSecond}/s`, latencies.floor.p99Ms, latencies.real.p99Ms);
  return comparison;
}

function summary(measures: readonly Measure[]): Record<keyof Measure, Figure> {
  const of = (name: keyof Measure) => figure(measures.map((measure) => measure[name]));
  return {
    podUs: of('podUs'),
    agentUs: of('agentUs'),
    jobsPerSecond: of('jobsPerSecond'),
  };
}
