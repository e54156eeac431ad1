// A long answer flows through without piling up anywhere: a slow reader slows the origin, and no more bytes wait in
// streams than the windows allow.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from '@jest/globals';
import { JobService, type StreamJobResponse } from '../../gen/resproxy/v1/job_pb.ts';
import { limits } from '../../internal/wire/limits.ts';
import { Cluster } from '../harness/cluster.ts';
import { pattern } from '../harness/origin-routes.ts';
import { Program } from '../harness/process.ts';
import { shared, story, type Use } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const MiB = 1024 * 1024;

const lab = shared(async (use) => {
  const origin = new Program({ name: 'origin', args: ['tests/harness/origin-main.ts'] });
  use({ close: () => origin.kill() });
  const port = Number((await origin.waitForLog('listening', ({ msg }) => msg === 'listening')).port);
  const cluster = use(await Cluster.start());
  const agent = await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: `127.0.0.1/32:${port}` } });
  return { cluster, agent, url: (path: string) => `http://127.0.0.1:${port}${path}` };
});

function open(path: string, use: Use) {
  const { cluster, url } = lab();
  const stream = cluster.grpc.stream(JobService.method.streamJob, { request: { url: url(path) } });
  use({ close: async () => stream.cancel() });
  return stream;
}

story('300 MiB arrive whole, while the pod holds no more than the window of the stream', async (use) => {
  const { cluster } = lab();
  const mebibytes = 300;
  const hash = createHash('sha256');
  let bytes = 0;
  let mostHeld = 0;
  let nextLook = 0;
  for await (const { event } of open(`/stream/${mebibytes}`, use)) {
    if (event.case !== 'body') continue;
    hash.update(event.value);
    bytes += event.value.length;
    if (bytes < nextLook) continue;
    nextLook += 20 * MiB;
    mostHeld = Math.max(mostHeld, (await cluster.metrics()).sum('resproxy_stream_buffered_bytes'));
  }
  const expected = createHash('sha256');
  const piece = pattern(MiB);
  for (let i = 0; i < mebibytes; i++) expected.update(piece);
  expect(bytes).toBe(mebibytes * MiB);
  expect(hash.digest('hex')).toBe(expected.digest('hex'));
  expect(mostHeld).toBeLessThanOrEqual(limits.maxStreamWindowBytes);
});

story('the events come in order: status, one head, the body in pieces, one summary', async (use) => {
  const events: StreamJobResponse['event'][] = [];
  for await (const { event } of open('/bytes/100000', use)) events.push(event);
  const cases = events.map((event) => event.case);
  expect(cases.slice(0, 2)).toEqual(['status', 'head']);
  expect(cases.at(-1)).toBe('summary');
  expect(new Set(cases.slice(2, -1))).toEqual(new Set(['body']));
  const bodies = events.flatMap((event) => (event.case === 'body' ? [event.value] : []));
  expect(Math.max(...bodies.map(({ length }) => length))).toBeLessThanOrEqual(limits.maxDataBytes);
  expect(Buffer.concat(bodies).equals(pattern(100_000))).toBe(true);
  const last = events.at(-1);
  expect(last?.case === 'summary' ? last.value.bodyBytes : undefined).toBe(100_000n);
});

story('a reader that stops stops the origin, and neither program piles the answer up', async (use) => {
  const { cluster, agent } = lab();
  const stream = open('/stream/300', use);
  const before = { pod: residentBytes(cluster.orchestrator.pid), agent: residentBytes(agent.pid) };
  await new Promise<void>((resolve) => {
    stream.on('data', ({ event }: StreamJobResponse) => {
      if (event.case !== 'body') return;
      stream.pause();
      resolve();
    });
  });
  // Another job, there and back, several times: the stalled one has had every chance to run on.
  for (let i = 0; i < 20; i++) {
    expect((await cluster.rest.runJob({ url: lab().url('/bytes/200000') })).status).toBe(200);
  }
  const metrics = await cluster.metrics();
  expect(metrics.sum('resproxy_stream_buffered_bytes')).toBeLessThanOrEqual(limits.maxStreamWindowBytes);
  const slack = 96 * MiB;
  expect(residentBytes(cluster.orchestrator.pid) - before.pod).toBeLessThan(slack);
  expect(residentBytes(agent.pid) - before.agent).toBeLessThan(slack);
  const ended = new Promise((resolve) => stream.on('error', resolve));
  stream.cancel();
  await ended;
});

story('a caller that vanishes mid-stream leaves no job behind', async (use) => {
  const { cluster } = lab();
  const stream = open('/drip/100000', use);
  await new Promise((resolve) => stream.once('data', resolve));
  const ended = new Promise((resolve) => stream.on('error', resolve));
  stream.cancel();
  await ended;
  await until('no job is in flight', async () => (await cluster.metrics()).sum('resproxy_jobs_in_flight') === 0);
});

/** What Linux counts as resident. */
function residentBytes(pid: number): number {
  const [, kibibytes = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * 1024;
}
