// What a hop from pod to pod costs: RunJob over gRPC, 2 KiB and eight headers, 64 in flight, through one pod and through
// two, by the real programs and by their floors (bench/floors). The hop is what both pods together use for a relayed job
// above what one uses for a local job; the headline is the hop against the floor's, median of alternated pairs. What pods
// do whether jobs come or not (leases, pings, files that are followed) is measured first, and taken off by the second: on
// a busy machine jobs come slowly, and it would count as theirs.
import { setTimeout as pause } from 'node:timers/promises';
import { Fleet } from '../tests/harness/fleet.ts';
import { Program } from '../tests/harness/process.ts';
import { waitForTrueView } from '../tests/harness/view.ts';
import { bundled, podScript } from './bundles.ts';
import { cpuMicroseconds } from './cpu.ts';
import { type Figure, figure, show } from './figures.ts';
import { agentEnv, inLab, type Say, startOrigin, startScript, type Use } from './lab.ts';
import { type Caller, caller, load } from './load.ts';

const inFlight = 64;
const warmUpJobs = 4_000;
/** Of each way in a pair, in slices by turns: what else the machine does meanwhile falls on both. */
const slices = 6;
const jobsPerSlice = 1_000;
const pairs = 5;
const restSeconds = 10;

/** Jobs by one way, and the pods that share in them. */
interface Way {
  readonly caller: Caller;
  readonly pids: readonly number[];
}

interface System {
  readonly local: Way;
  readonly relayed: Way;
}

/** One that is warm, and what all its pods use together in a second without jobs. */
interface RestedSystem extends System {
  readonly restUs: number;
}

interface Cost {
  readonly localUs: number;
  readonly relayedUs: number;
  readonly hopUs: number;
}

export function benchRelay(say: Say): Promise<unknown> {
  return inLab(async (use) => {
    const origin = await startOrigin(use);
    const url = `${origin.url}/page?id=4711`;
    say(
      `${inFlight} in flight, ${slices} slices of ${jobsPerSlice} jobs each way, ${pairs} alternated pairs after ${warmUpJobs} jobs of warm-up`,
    );
    const floor = await rested(await startFloor(use, url));
    const real = await rested(await startReal(use, origin.port, url));
    say(`at rest, ms CPU of all pods in a second: floor ${milli(floor.restUs)}, resproxy ${milli(real.restUs)}`);
    const floors: Cost[] = [];
    const reals: Cost[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      floors.push(await measure(floor));
      reals.push(await measure(real));
    }
    return report(floors, reals, say);
  });
}

async function startFloor(use: Use, url: string): Promise<System> {
  const alone = await startScript(use, 'floors/job-pod.ts');
  const owner = await startScript(use, 'floors/relay-owner.ts');
  const front = await startScript(use, 'floors/relay-front.ts', { args: [String(await owner.port('peer'))] });
  for (const pod of [alone, owner]) await startFloorAgent(use, await pod.port('agent'));
  const way = async ({ port }: typeof alone, pids: readonly number[]): Promise<Way> => {
    const doors = { grpcPort: await port('grpc'), httpPort: await port('http'), token: 'none' };
    return { caller: use(caller('grpc', doors, url, inFlight)), pids };
  };
  return {
    local: await way(alone, [alone.program.pid]),
    relayed: await way(front, [front.program.pid, owner.program.pid]),
  };
}

async function startFloorAgent(use: Use, port: number): Promise<void> {
  const args = [await bundled('floors/job-agent.ts'), `ws://127.0.0.1:${port}`];
  const agent = new Program({ name: 'floor agent', args });
  use({ close: () => agent.kill() });
  await agent.waitForLog('connected', ({ msg }) => msg === 'connected');
}

async function startReal(use: Use, originPort: number, url: string): Promise<System> {
  const fleet = use(await Fleet.start({ script: await podScript(), pods: ['pod-a', 'pod-b'] }));
  for (const pod of fleet.pods) await fleet.startAgent({ name: pod.name, to: pod.name, env: agentEnv(originPort) });
  await waitForTrueView(fleet, 2);
  const front = fleet.pod('pod-a');
  const doors = { grpcPort: front.ports.grpc, httpPort: front.ports.http, token: fleet.access.token };
  const pids = fleet.pods.map(({ program }) => program.pid);
  // The pod that has no part in a local job is counted too: that it does nothing is part of the claim.
  const way = (pod: string): Way => ({
    caller: use(caller('grpc', doors, url, inFlight, `home-1/${pod}/direct`)),
    pids,
  });
  return { local: way('pod-a'), relayed: way('pod-b') };
}

async function rested(system: System): Promise<RestedSystem> {
  for (const { caller } of [system.local, system.relayed]) await load(caller.run, warmUpJobs, inFlight);
  await pause(1_000);
  const before = usedBy(system.relayed);
  await pause(restSeconds * 1_000);
  return { ...system, restUs: (usedBy(system.relayed) - before) / restSeconds };
}

async function measure({ local, relayed, restUs }: RestedSystem): Promise<Cost> {
  const sums = { local: 0, relayed: 0 };
  for (let slice = 0; slice < slices; slice++) {
    sums.local += await used(local, restUs);
    sums.relayed += await used(relayed, restUs);
  }
  const jobs = slices * jobsPerSlice;
  const [localUs, relayedUs] = [sums.local / jobs, sums.relayed / jobs];
  return { localUs, relayedUs, hopUs: relayedUs - localUs };
}

/** Microseconds of CPU above those at rest. */
async function used(way: Way, restUs: number): Promise<number> {
  const [before, begin] = [usedBy(way), performance.now()];
  await load(way.caller.run, jobsPerSlice, inFlight);
  const seconds = (performance.now() - begin) / 1_000;
  return usedBy(way) - before - restUs * seconds;
}

function usedBy({ pids }: Way): number {
  return pids.reduce((sum, pid) => sum + cpuMicroseconds(pid), 0);
}

function milli(microseconds: number): string {
  return (microseconds / 1_000).toFixed(1);
}

function report(floors: readonly Cost[], reals: readonly Cost[], say: Say): unknown {
  const summary = (costs: readonly Cost[]): Record<keyof Cost, Figure> => ({
    localUs: figure(costs.map(({ localUs }) => localUs)),
    relayedUs: figure(costs.map(({ relayedUs }) => relayedUs)),
    hopUs: figure(costs.map(({ hopUs }) => hopUs)),
  });
  const ratio = (what: keyof Cost) => figure(reals.map((real, i) => real[what] / (floors[i]?.[what] ?? Number.NaN)));
  const [floor, real] = [summary(floors), summary(reals)];
  const ratios = { localUs: ratio('localUs'), relayedUs: ratio('relayedUs'), hopUs: ratio('hopUs') };
  const names = { localUs: 'local job', relayedUs: 'relayed job', hopUs: 'the hop' } as const;
  say('us CPU of all pods, median (lowest-highest)   floor                    resproxy                 ratio');
  for (const what of ['localUs', 'relayedUs', 'hopUs'] as const)
    say(
      `${names[what].padEnd(45)} ${show(floor[what]).padEnd(24)} ${show(real[what]).padEnd(24)} ${show(ratios[what])}`,
    );
  return { floor, real, ratios };
}
