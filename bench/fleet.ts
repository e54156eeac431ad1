// What a large fleet costs: 10,000 simulated agents over three pods, and a fourth that has none and only looks on. Memory
// of its view; time from the HELLO of an agent until every pod lists it; commands to Redis at rest, which must depend on
// pods and not on agents; and one pod killed with its third of the agents: when all are back, and how late loops were.
import { setTimeout as pause } from 'node:timers/promises';
import { AgentService, WatchAgentsResponse_Change } from '../gen/resproxy/v1/agent_pb.ts';
import { Fleet } from '../tests/harness/fleet.ts';
import type { Pod } from '../tests/harness/pod.ts';
import type { Program } from '../tests/harness/process.ts';
import { until, within } from '../tests/harness/waiting.ts';
import { podScript } from './bundles.ts';
import { figure, percentile, show } from './figures.ts';
import { inLab, probedEnv, type Say, startScript, type Use } from './lab.ts';
import { KiB, probe } from './probed.ts';
import { byTurns, SimulatedAgent } from './simulated-agent.ts';

const agents = 10_000;
const crowds = 2;
const holders = ['pod-a', 'pod-b', 'pod-c'];
const onlooker = 'pod-d';
const keyName = 'crowd';
const newcomers = 300;
const restSeconds = 15;
const boundMs = 300_000;

export function benchFleet(say: Say): Promise<unknown> {
  return inLab(async (use) => {
    const fleet = use(await Fleet.start({ script: await podScript(), pods: [...holders, onlooker], env: probedEnv }));
    const key = await fleet.access.addKey({ name: keyName });
    const looking = fleet.pod(onlooker);
    const idle = { commands: await commandsPerSecond(fleet), heap: (await probe(looking.program)).heapUsed };

    // Nobody dials the onlooker.
    const urls = holders.map((name) => `ws://127.0.0.1:${fleet.pod(name).ports.agent}/agent`);
    const begin = performance.now();
    const programs = await Promise.all(Array.from({ length: crowds }, (_, i) => crowd(use, urls, key, `sim${i}`)));
    await allListed(fleet, agents);
    const connectSeconds = (performance.now() - begin) / 1_000;
    say(
      `${agents} agents over ${holders.length} pods, all listed by all ${connectSeconds.toFixed(1)} s after the first dialled`,
    );

    const viewKiB = ((await probe(looking.program)).heapUsed - idle.heap) / agents / KiB;
    say(
      `view of a pod that holds none: ${viewKiB.toFixed(2)} KiB of heap per agent, ${((viewKiB * agents) / KiB).toFixed(0)} MiB in all`,
    );

    const full = { commands: await commandsPerSecond(fleet) };
    say(
      `Redis at rest, ${fleet.pods.length} pods: ${idle.commands.toFixed(1)} commands/s without agents, ${full.commands.toFixed(1)} with ${agents}`,
    );

    const visible = await visibility(fleet, urls, key);
    say(`from HELLO to listed by every pod: median ${visible.medianMs} ms, p99 ${visible.p99Ms} ms of ${newcomers}`);

    const recovery = await killOne(fleet, programs, say);
    return {
      agents,
      connectSeconds,
      viewKiB,
      commands: { idle: idle.commands, full: full.commands },
      visible,
      recovery,
    };
  });
}

async function crowd(use: Use, urls: readonly string[], key: string, prefix: string): Promise<Program> {
  const args = [urls.join(','), key, String(agents / crowds), prefix, 'comes-back'];
  const { program } = await startScript(use, 'crowd-main.ts', { args });
  await program.waitForLog('all welcomed', ({ msg }) => msg === 'all welcomed', { boundMs });
  return program;
}

/** Every pod that lives counts so many. */
async function allListed(fleet: Fleet, count: number): Promise<void> {
  const counted = async (pod: Pod) => {
    const metrics = await pod.metrics();
    return metrics.sum('resproxy_agents') + metrics.sum('resproxy_registry_remote_agents');
  };
  const asked = async () => (await Promise.all(fleet.pods.map(counted))).every((seen) => seen === count);
  await until(`every pod lists ${count} agents`, asked, boundMs);
}

async function commandsPerSecond({ redis }: Fleet): Promise<number> {
  const processed = async () => Number(/total_commands_processed:(\d+)/.exec(await redis.cli('INFO', 'stats'))?.[1]);
  const before = await processed();
  await pause(restSeconds * 1_000);
  // What this asks itself: the second INFO is not counted when it answers, the first is.
  return ((await processed()) - before - 1) / restSeconds;
}

/** Agents that come one by one to a fleet that is full: all by one clock. */
async function visibility(
  fleet: Fleet,
  urls: readonly string[],
  key: string,
): Promise<{ medianMs: number; p99Ms: number }> {
  const url = byTurns(urls);
  const watches = fleet.pods.map((pod) => new Watch(pod));
  const comers: SimulatedAgent[] = [];
  const tookMs: number[] = [];
  try {
    await within('watches are complete', boundMs, Promise.all(watches.map(({ synced }) => synced)));
    for (let i = 0; i < newcomers; i++) {
      const name = `new-${i}`;
      const seen = watches.map((watch) => watch.waitFor(`${keyName}/${name}`));
      const ignore = () => {};
      const comer = new SimulatedAgent({
        url,
        key,
        name,
        comesBack: false,
        onWelcome: ignore,
        onLost: ignore,
      });
      comers.push(comer);
      const begin = performance.now();
      comer.dial();
      await within(`every pod lists ${name}`, boundMs, Promise.all(seen));
      tookMs.push(performance.now() - begin);
    }
  } finally {
    for (const comer of comers) comer.close();
    for (const watch of watches) watch.close();
  }
  await allListed(fleet, agents);
  tookMs.sort((a, b) => a - b);
  return { medianMs: Math.round(percentile(tookMs, 0.5)), p99Ms: Math.round(percentile(tookMs, 0.99)) };
}

async function killOne(fleet: Fleet, programs: readonly Program[], say: Say): Promise<unknown> {
  const killed = holders[0] as string;
  const alive = fleet.pods.filter(({ name }) => name !== killed);
  for (const { program } of alive) await probe(program);
  const welcomedAgain = programs.map((program) =>
    program.waitForLog('all are back', ({ msg }) => msg === 'all welcomed', { boundMs, from: program.logs.length }),
  );
  const begin = performance.now();
  await fleet.kill(killed);
  await Promise.all(welcomedAgain);
  const backSeconds = (performance.now() - begin) / 1_000;
  await allListed(fleet, agents);
  const listedSeconds = (performance.now() - begin) / 1_000;
  const lags = await Promise.all(alive.map(async ({ program }) => (await probe(program)).lagMaxMs));
  const lost = programs.reduce((sum, { logs }) => sum + logs.filter(({ msg }) => msg === 'lost').length, 0);
  say(
    `a pod killed with ${lost} agents: all back after ${backSeconds.toFixed(1)} s, views true after ${listedSeconds.toFixed(1)} s, ` +
      `longest loop lag ${show(figure(lags))} ms`,
  );
  return { lost, backSeconds, listedSeconds, lags };
}

/** One pod's WatchAgents. */
class Watch {
  readonly synced: Promise<void>;
  readonly #waiting = new Map<string, () => void>();
  readonly #stream;

  constructor(pod: Pod) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.synced = promise;
    this.#stream = pod.grpc.stream(AgentService.method.watchAgents, {}, { deadlineMs: 10 * boundMs });
    this.#stream.on('data', ({ change, agent }) => {
      if (change === WatchAgentsResponse_Change.SYNCED) resolve();
      if (agent) this.#waiting.get(agent.agentId)?.();
    });
  }

  waitFor(agentId: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(agentId, resolve));
  }

  close(): void {
    this.#stream.cancel();
  }
}
