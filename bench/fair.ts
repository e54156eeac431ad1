// Whether what is urgent gets through: heartbeats of agents whose uplink of 10 Mbit/s and 30 ms is full of 64 long answers
// each, beside the echo of a WebSocket on such a line that nobody else uses; and 49 readers beside one that has stopped.
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { JobService, type StreamJobResponse } from '../gen/resproxy/v1/job_pb.ts';
import type { Cluster } from '../tests/harness/cluster.ts';
import { FaultProxy } from '../tests/harness/fault-proxy.ts';
import { GrpcCaller } from '../tests/harness/grpc-caller.ts';
import { projectDir } from '../tests/harness/process.ts';
import { figure, percentile, show } from './figures.ts';
import {
  agentEnv,
  inLab,
  podSources,
  preload,
  type Say,
  startCluster,
  startOrigin,
  startScript,
  type Use,
} from './lab.ts';
import { MiB } from './probed.ts';

const uplink = { bytesPerSecond: 1_250_000, latencyMs: 15 } as const;
const homes = 5;
const streamsPerHome = 64;
/** From the connection of the agents to the first answer, and from there to the first ping that counts. */
const quietMs = 1_000;
const settleMs = 5_000;
/** At a ping a second and home: 225. */
const watchedMs = 45_000;
const pingMs = 1_000;
const echoes = 40;

const readers = 49;
const mebibytesPerReader = 2;
const rounds = 5;

interface Origin {
  readonly port: number;
  readonly url: string;
}

export function benchFair(say: Say): Promise<unknown> {
  return inLab(async (use) => {
    const origin = await startOrigin(use);
    const echoMs = await echoOnFreeLine(use);
    const heartbeat = await inLab((near) => heartbeats(near, origin));
    say(`${homes} agents, ${streamsPerHome} long answers each over their own 10 Mbit/s and 30 ms`);
    say(`floor, echo on a free line, ms    ${show(echoMs)}`);
    const { p50Ms, p95Ms, maxMs, measured, expected, lineShare } = heartbeat;
    say(
      `heartbeat on the full line, ms    p50 ${p50Ms}, p95 ${p95Ms}, most ${maxMs}; ${measured} of ${expected} pings`,
    );
    say(`share of the lines that the answers fill    ${lineShare.toFixed(2)}`);
    const stalled = await inLab((near) => besideStalled(near, origin));
    say(`throughput of ${readers} readers beside a stalled one, as a share of without it    ${show(stalled)}`);
    return { echoMs, heartbeat, stalled };
  });
}

async function echoOnFreeLine(use: Use) {
  const { port } = await startScript(use, 'floors/echo.ts');
  const line = await startUplink(use, await port());
  const socket = new WebSocket(`ws://127.0.0.1:${line.port}`, { perMessageDeflate: false });
  use({ close: async () => socket.terminate() });
  await once(socket, 'open');
  const times: number[] = [];
  for (let i = 0; i < echoes; i++) {
    const begin = performance.now();
    socket.send('ping');
    await once(socket, 'message');
    times.push(performance.now() - begin);
  }
  return figure(times);
}

async function heartbeats(use: Use, origin: Origin) {
  const cluster = await startCluster(use, { env: preload(`${projectDir}bench/rhythm-main.ts`), script: podSources });
  for (let home = 0; home < homes; home++) {
    const line = await startUplink(use, cluster.ports.agent);
    await cluster.startAgent({ keyName: `fair-${home}`, port: line.port, env: agentEnv(origin.port) });
  }
  await pause(quietMs);
  let bytes = 0;
  for (let home = 0; home < homes; home++) {
    const target = { exitId: `fair-${home}/default/direct` };
    fill(use, cluster, { request: { url: `${origin.url}/mib/1024` }, target }, (more) => {
      bytes += more;
    });
  }
  await pause(settleMs);
  const from = cluster.orchestrator.logs.length;
  const bytesBefore = bytes;
  await pause(watchedMs);
  const lines = cluster.orchestrator.logs.slice(from).filter(({ msg }) => msg === 'heartbeat');
  const times = lines.map(({ ms }) => Number(ms)).sort((a, b) => a - b);
  const at = (share: number) => Math.round(percentile(times, share));
  return {
    p50Ms: at(0.5),
    p95Ms: at(0.95),
    maxMs: at(1),
    measured: times.length,
    expected: (homes * watchedMs) / pingMs,
    lineShare: (bytes - bytesBefore) / ((homes * uplink.bytesPerSecond * watchedMs) / 1000),
  };
}

/** Reads long answers until the benchmark is over. */
function fill(
  use: Use,
  { ports, token }: Cluster,
  job: { request: { url: string }; target: { exitId: string } },
  onBytes: (bytes: number) => void,
): void {
  const caller = use(new GrpcCaller(ports.grpc, token));
  const request = { ...job, timeout: { seconds: 300n } };
  for (let i = 0; i < streamsPerHome; i++) {
    const stream = caller.stream(JobService.method.streamJob, request, { deadlineMs: 300_000 });
    stream.on('data', ({ event }: StreamJobResponse) => {
      if (event.case === 'body') onBytes(event.value.length);
    });
    use({ close: async () => stream.cancel() });
  }
}

async function startUplink(use: Use, port: number): Promise<FaultProxy> {
  const line = use(await FaultProxy.start(port));
  line.shape('both', { latencyMs: uplink.latencyMs });
  line.shape('up', { bytesPerSecond: uplink.bytesPerSecond });
  return line;
}

async function besideStalled(use: Use, origin: Origin) {
  const cluster = await startCluster(use);
  await cluster.startAgent({ env: agentEnv(origin.port) });
  const stalledCaller = use(new GrpcCaller(cluster.ports.grpc, cluster.token));
  const shares: number[] = [];
  await readAll(cluster.grpc, origin);
  for (let round = 0; round < rounds; round++) {
    const alone = await readAll(cluster.grpc, origin);
    const leave = await stall(stalledCaller, origin);
    shares.push(alone / (await readAll(cluster.grpc, origin)));
    await leave();
  }
  return figure(shares);
}

/** Seconds until every reader has its whole answer. */
async function readAll(caller: GrpcCaller, { url }: Origin): Promise<number> {
  const begin = performance.now();
  await Promise.all(Array.from({ length: readers }, () => read(caller, `${url}/mib/${mebibytesPerReader}`)));
  return (performance.now() - begin) / 1000;
}

async function read(caller: GrpcCaller, url: string): Promise<void> {
  let bytes = 0;
  for await (const { event } of caller.stream(JobService.method.streamJob, { request: { url } })) {
    if (event.case === 'body') bytes += event.value.length;
  }
  if (bytes !== mebibytesPerReader * MiB) throw new Error(`${bytes} bytes of ${mebibytesPerReader} MiB`);
}

/** Reads the first bytes and then nothing more; returns how to leave. */
async function stall(caller: GrpcCaller, { url }: Origin): Promise<() => Promise<void>> {
  const stream = caller.stream(JobService.method.streamJob, { request: { url: `${url}/mib/1024` } });
  await new Promise<void>((resolve) => {
    stream.on('data', ({ event }: StreamJobResponse) => {
      if (event.case !== 'body') return;
      stream.pause();
      resolve();
    });
  });
  return async () => {
    const ended = once(stream, 'error');
    stream.cancel();
    await ended;
  };
}
