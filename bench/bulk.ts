// What a long answer costs: 256 MiB through StreamJob, beside a bare streaming chain of the same libraries and beside undici
// straight to the origin; what both programs hold while 1 GiB passes; and how much of a 100 Mbit/s line of 80 ms it fills.
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { type BulkSystem, narrowLine, type RealSystem, startFloor, startReal } from './bulk-systems.ts';
import { cpuMicroseconds } from './cpu.ts';
import { type Figure, figure, show } from './figures.ts';
import { inLab, type Say, startOrigin, type Use } from './lab.ts';
import { MiB, peakResidentBytes, probe } from './probed.ts';

const mebibytes = 256;
const rounds = 3;
const heldMebibytes = 1024;
const lookEveryMs = 500;
/** Of fresh processes: when garbage is collected decides about 20 MiB of what one of them ever had. */
const freshPairs = 5;
const freshMebibytes = 512;
const narrowMebibytes = 64;
const narrowRounds = 2;
const warmUpMebibytes = 128;

interface Rate {
  readonly mibPerSecond: Figure;
  readonly podCpuSeconds: Figure;
  readonly agentCpuSeconds: Figure;
}

export function benchBulk(say: Say): Promise<unknown> {
  return inLab(async (use) => {
    const origin = await startOrigin(use);
    const floor = await startFloor(use);
    const real = await startReal(use, origin.port);
    const rates = await compare(use, floor, real, origin.url);
    say(`${mebibytes} MiB, ${rounds} alternated rounds; median (lowest-highest)`);
    say(`undici straight to the origin   ${show(rates.direct)} MiB/s`);
    for (const name of ['floor', 'real'] as const) {
      const { mibPerSecond, podCpuSeconds, agentCpuSeconds } = rates[name];
      const cpu = `CPU s per GiB: pod ${show(podCpuSeconds)}, agent ${show(agentCpuSeconds)}`;
      say(`${name.padEnd(31)} ${show(mibPerSecond)} MiB/s, ${cpu}`);
    }
    const held = await hold(real, `${origin.url}/mib/${heldMebibytes}`);
    say(`held in streams of the pod, at most, while ${heldMebibytes} MiB pass    ${held.streamMib.toFixed(2)} MiB`);
    say(`external memory after GC, grown by at most    pod ${mib(held.podExternal)}, agent ${mib(held.agentExternal)}`);
    const memory = await residentOfFresh(origin);
    say(`${freshMebibytes} MiB, ${freshPairs} alternated pairs of fresh processes; MiB resident, floor and real`);
    for (const program of ['pod', 'agent'] as const)
      for (const [when, name] of Object.entries(moments))
        say(`${name.padEnd(24)} ${program.padEnd(6)} ${pair(memory, program, when as keyof Memory)}`);
    const line = await fillLine(use, origin);
    say(`share of 100 Mbit/s at 80 ms, ${narrowMebibytes} MiB    floor ${show(line.floor)}, real ${show(line.real)}`);
    return { rates, held, resident: memory, line };
  });
}

async function compare(use: Use, floor: BulkSystem, real: BulkSystem, origin: string) {
  const dispatcher = new Agent({ allowH2: false });
  use({ close: () => dispatcher.close() });
  const direct: number[] = [];
  const runs: Record<'floor' | 'real', Awaited<ReturnType<typeof run>>[]> = { floor: [], real: [] };
  for (const system of [floor, real]) await system.read(`${origin}/mib/${warmUpMebibytes}`);
  const url = `${origin}/mib/${mebibytes}`;
  for (let round = 0; round < rounds; round++) {
    direct.push(mebibytes / (await seconds(() => readDirect(url, dispatcher))));
    runs.floor.push(await run(floor, url));
    runs.real.push(await run(real, url));
  }
  return { direct: figure(direct), floor: summary(runs.floor), real: summary(runs.real) };
}

async function run({ pod, agent, read }: BulkSystem, url: string) {
  const podBefore = cpuMicroseconds(pod.pid);
  const agentBefore = cpuMicroseconds(agent.pid);
  const took = await seconds(() => readWhole(read, url, mebibytes));
  return {
    mibPerSecond: mebibytes / took,
    podCpuSeconds: cpuPerGiB(cpuMicroseconds(pod.pid) - podBefore),
    agentCpuSeconds: cpuPerGiB(cpuMicroseconds(agent.pid) - agentBefore),
  };
}

function cpuPerGiB(microseconds: number): number {
  return (microseconds / 1e6) * (1024 / mebibytes);
}

function summary(runs: readonly Record<keyof Rate, number>[]): Rate {
  const of = (name: keyof Rate) => figure(runs.map((each) => each[name]));
  return {
    mibPerSecond: of('mibPerSecond'),
    podCpuSeconds: of('podCpuSeconds'),
    agentCpuSeconds: of('agentCpuSeconds'),
  };
}

/** One more answer, untimed, with a look every now and then at what the programs hold. */
async function hold(real: RealSystem, url: string) {
  const before = { pod: await probe(real.pod), agent: await probe(real.agent) };
  const most = { streamMib: 0, podExternal: 0, agentExternal: 0 };
  let reading = true;
  const whole = readWhole(real.read, url, heldMebibytes).finally(() => {
    reading = false;
  });
  while (reading) {
    const bytes = (await real.metrics()).sum('resproxy_stream_buffered_bytes');
    const [pod, agent] = [await probe(real.pod), await probe(real.agent)];
    most.streamMib = Math.max(most.streamMib, bytes / MiB);
    most.podExternal = Math.max(most.podExternal, pod.external - before.pod.external);
    most.agentExternal = Math.max(most.agentExternal, agent.external - before.agent.external);
    await pause(lookEveryMs);
  }
  await whole;
  return most;
}

interface Memory {
  readonly atStart: Figure;
  readonly mostEver: Figure;
}

type Residents = Readonly<Record<'floor' | 'real', Readonly<Record<'pod' | 'agent', Memory>>>>;

const moments = { atStart: 'before the first byte', mostEver: 'most ever' } as const;

async function residentOfFresh(origin: { port: number; url: string }): Promise<Residents> {
  const seen = { floor: [] as Seen[], real: [] as Seen[] };
  for (let i = 0; i < freshPairs; i++) {
    seen.floor.push(await inLab(async (use) => streamOnce(await startFloor(use), origin.url)));
    seen.real.push(await inLab(async (use) => streamOnce(await startReal(use, origin.port), origin.url)));
  }
  const of = (name: keyof typeof seen, program: 'pod' | 'agent'): Memory => ({
    atStart: figure(seen[name].map(({ atStart }) => atStart[program])),
    mostEver: figure(seen[name].map(({ mostEver }) => mostEver[program])),
  });
  const both = (name: keyof typeof seen) => ({ pod: of(name, 'pod'), agent: of(name, 'agent') });
  return { floor: both('floor'), real: both('real') };
}

interface Seen {
  readonly atStart: Readonly<Record<'pod' | 'agent', number>>;
  readonly mostEver: Readonly<Record<'pod' | 'agent', number>>;
}

async function streamOnce(system: BulkSystem, origin: string): Promise<Seen> {
  const atStart = resident(system);
  await readWhole(system.read, `${origin}/mib/${freshMebibytes}`, freshMebibytes);
  return { atStart, mostEver: resident(system) };
}

/** The most memory that each of the programs ever had so far, in MiB. */
function resident({ pod, agent }: BulkSystem): Seen['atStart'] {
  return { pod: peakResidentBytes(pod.pid) / MiB, agent: peakResidentBytes(agent.pid) / MiB };
}

async function fillLine(use: Use, origin: { port: number; url: string }): Promise<Record<'floor' | 'real', Figure>> {
  const systems = { floor: await startFloor(use, narrowLine), real: await startReal(use, origin.port, narrowLine) };
  const shares: Record<'floor' | 'real', number[]> = { floor: [], real: [] };
  const url = `${origin.url}/mib/${narrowMebibytes}`;
  for (let round = 0; round < narrowRounds; round++) {
    for (const name of ['floor', 'real'] as const) {
      const took = await seconds(() => readWhole(systems[name].read, url, narrowMebibytes));
      shares[name].push((narrowMebibytes * MiB) / took / narrowLine.bytesPerSecond);
    }
  }
  return { floor: figure(shares.floor), real: figure(shares.real) };
}

async function readWhole(read: BulkSystem['read'], url: string, expected: number): Promise<void> {
  const bytes = await read(url);
  if (bytes !== expected * MiB) throw new Error(`${bytes} bytes of ${expected} MiB`);
}

async function readDirect(url: string, dispatcher: Agent): Promise<void> {
  const { body } = await request(url, { dispatcher });
  for await (const _piece of body);
}

async function seconds(task: () => Promise<void>): Promise<number> {
  const begin = performance.now();
  await task();
  return (performance.now() - begin) / 1000;
}

function mib(bytes: number): string {
  return `${(bytes / MiB).toFixed(1)} MiB`;
}

function pair({ floor, real }: Residents, program: 'pod' | 'agent', when: keyof Memory): string {
  const [below, own] = [floor[program][when], real[program][when]];
  return `${show(below).padEnd(24)} ${show(own).padEnd(24)} ${(own.median - below.median).toFixed(1)} over the floor`;
}
