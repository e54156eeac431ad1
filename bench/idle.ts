// What an idle agent costs a pod: 10,000 of them in two processes of their own, that greet and keep the rhythm of pings;
// memory per agent after GC beside a bare ws server under the same crowd, and how late the pod's event loop is.
import { setTimeout as pause } from 'node:timers/promises';
import type { Program } from '../tests/harness/process.ts';
import { inLab, probedEnv, type Say, startCluster, startScript, type Use } from './lab.ts';
import { KiB, type Probe, probe } from './probed.ts';

const agents = 10_000;
const crowds = 2;
const welcomedBoundMs = 60_000;
/** More than one idle ping of every agent. */
const watchedMs = 20_000;
const keyName = 'crowd';

interface Idle {
  readonly rssKiB: number;
  readonly heapKiB: number;
  readonly externalKiB: number;
  readonly connectSeconds: number;
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
}

export async function benchIdle(say: Say): Promise<unknown> {
  const floor = await inLab(measureFloor);
  const real = await inLab(measureReal);
  const over = { rssKiB: real.rssKiB - floor.rssKiB, heapKiB: real.heapKiB - floor.heapKiB };
  say(`${agents} agents from ${crowds} processes, watched for ${watchedMs / 1000} s; per agent, after GC`);
  for (const [name, { rssKiB, heapKiB, externalKiB, lagP99Ms, lagMaxMs, connectSeconds }] of Object.entries({
    floor,
    real,
  }))
    say(
      `${name.padEnd(8)} RSS ${rssKiB.toFixed(1)} KiB, heap ${heapKiB.toFixed(1)} KiB, external ${externalKiB.toFixed(1)} KiB; ` +
        `loop lag p99 ${lagP99Ms.toFixed(1)} ms, most ${lagMaxMs.toFixed(1)} ms; all connected in ${connectSeconds.toFixed(1)} s`,
    );
  say(`over the floor: RSS ${over.rssKiB.toFixed(1)} KiB, heap ${over.heapKiB.toFixed(1)} KiB`);
  return { floor, real, over };
}

async function measureFloor(use: Use): Promise<Idle> {
  const { program, port } = await startScript(use, 'floors/idle-pod.ts', { env: probedEnv });
  return measure(use, program, `ws://127.0.0.1:${await port()}`, 'none');
}

async function measureReal(use: Use): Promise<Idle> {
  const cluster = await startCluster(use, { env: probedEnv });
  const key = await cluster.addKey({ name: keyName });
  return measure(use, cluster.orchestrator, `ws://127.0.0.1:${cluster.ports.agent}/agent`, key);
}

async function measure(use: Use, pod: Program, url: string, key: string): Promise<Idle> {
  const before = await probe(pod);
  const begin = performance.now();
  const programs = await Promise.all(Array.from({ length: crowds }, (_, i) => crowd(use, url, key, `sim${i}`)));
  const connectSeconds = (performance.now() - begin) / 1000;
  await probe(pod);
  await pause(watchedMs);
  const after = await probe(pod);
  const lost = programs.flatMap(({ logs }) => logs.filter(({ msg }) => msg === 'lost'));
  if (lost.length > 0) throw new Error(`${lost.length} agents were lost: ${JSON.stringify(lost[0])}`);
  const grown = (what: keyof Probe) => (after[what] - before[what]) / agents / KiB;
  return {
    rssKiB: grown('rss'),
    heapKiB: grown('heapUsed'),
    externalKiB: grown('external'),
    connectSeconds,
    lagP99Ms: after.lagP99Ms,
    lagMaxMs: after.lagMaxMs,
  };
}

async function crowd(use: Use, url: string, key: string, prefix: string): Promise<Program> {
  const args = [url, key, String(agents / crowds), prefix];
  const { program } = await startScript(use, 'crowd-main.ts', { args });
  await program.waitForLog('all welcomed', ({ msg }) => msg === 'all welcomed', { boundMs: welcomedBoundMs });
  return program;
}
