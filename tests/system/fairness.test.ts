// One reader that stops reading holds up nobody else: 49 streams finish as fast beside it as without it.
import { expect } from '@jest/globals';
import { figure } from '../../bench/figures.ts';
import { JobService, type StreamJobResponse } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Program } from '../harness/process.ts';
import { say } from '../harness/run.ts';
import { story } from '../harness/story.ts';

const streams = 49;
const mebibytes = 2;
const rounds = 5;
const goalShare = 0.85;
/** A reader that holds up others stops them altogether. */
const leastShare = 0.3;

story('one stalled reader among 50 holds up none of the other 49', async (use) => {
  const origin = new Program({ name: 'origin', args: ['tests/harness/origin-main.ts'] });
  use({ close: () => origin.kill() });
  const port = Number((await origin.waitForLog('listening', ({ msg }) => msg === 'listening')).port);
  const cluster = use(await Cluster.start());
  const env = { AGENT_ALLOW_ENDPOINTS: `127.0.0.1/32:${port}`, AGENT_MAX_CONCURRENT: '64' };
  await cluster.startAgent({ env });
  const url = (path: string) => `http://127.0.0.1:${port}${path}`;
  const stalledCaller = use(new GrpcCaller(cluster.ports.grpc, cluster.token));

  const readAll = async () => {
    const begin = performance.now();
    await Promise.all(Array.from({ length: streams }, () => read(cluster.grpc, url(`/stream/${mebibytes}`))));
    return (streams * mebibytes * 1000) / (performance.now() - begin);
  };

  await readAll();
  const ratios: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const alone = await readAll();
    const leave = await stall(stalledCaller, url('/stream/300'));
    const beside = await readAll();
    await leave();
    ratios.push(beside / alone);
  }
  const { median } = figure(ratios);
  say(`throughput of 49 streams beside a stalled reader: ${median.toFixed(2)} of alone (goal: ${goalShare})`);
  expect(median).toBeGreaterThanOrEqual(leastShare);
});

async function read(caller: GrpcCaller, url: string): Promise<void> {
  let bytes = 0;
  for await (const { event } of caller.stream(JobService.method.streamJob, { request: { url } })) {
    if (event.case === 'body') bytes += event.value.length;
  }
  expect(bytes).toBe(mebibytes * 1024 * 1024);
}

/** Reads the first bytes and then nothing more; returns how to leave. */
async function stall(caller: GrpcCaller, url: string): Promise<() => Promise<void>> {
  const stream = caller.stream(JobService.method.streamJob, { request: { url } });
  await new Promise<void>((resolve) => {
    stream.on('data', ({ event }: StreamJobResponse) => {
      if (event.case !== 'body') return;
      stream.pause();
      resolve();
    });
  });
  return async () => {
    const ended = new Promise((resolve) => stream.on('error', resolve));
    stream.cancel();
    await ended;
  };
}
