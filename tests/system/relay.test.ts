// A job that arrives at one pod leaves through an agent of another, and nobody can tell by anything but the metrics.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { limits } from '../../internal/wire/limits.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Origin } from '../harness/origin.ts';
import type { Pod } from '../harness/pod.ts';
import { Program } from '../harness/process.ts';
import { type Placed, podNames, startRelayLab } from '../harness/relay-lab.ts';
import { full, say } from '../harness/run.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const { runJob, streamJob } = JobService.method;
const jobs = full ? 20_000 : 2_000;
const callers = 32;
const jobsBoundMs = full ? 10 * 60_000 : 120_000;
/** Jobs that a pod sent to another (`sent`), and those that it served for another (`served`). */
const relays = 'resproxy_relay_total';
const MiB = 1024 * 1024;

const lab = shared(async (use) => {
  const heavy = new Program({ name: 'heavy origin', args: ['tests/harness/origin-main.ts'] });
  use({ close: () => heavy.kill() });
  const heavyPort = Number((await heavy.waitForLog('listening', ({ msg }) => msg === 'listening')).port);
  const parts = await startRelayLab(use);
  // A port that nothing listens on: taken, and given back.
  const closed = await Origin.start();
  const closedPort = closed.port;
  await closed.close();
  const endpoints = [parts.origin.endpoint, `127.0.0.1/32:${heavyPort}`, `127.0.0.1/32:${closedPort}`];
  const env = { AGENT_ALLOW_ENDPOINTS: endpoints.join(',') };
  const agents: Placed[] = [];
  for (const pod of podNames) for (const i of [1, 2]) agents.push(await parts.place(`${pod}-${i}`, pod, { env }));
  const heavyUrl = (path: string) => `http://127.0.0.1:${heavyPort}${path}`;
  return { ...parts, agents, heavyUrl, closedUrl: `http://127.0.0.1:${closedPort}/` };
});

/** Job 0 to jobs - 1, from so many callers; each says what it takes from the answer. */
async function runAll<T>(run: (job: number) => Promise<T>): Promise<{ seen: T[]; seconds: number }> {
  const begin = performance.now();
  const seen: T[] = [];
  let next = 0;
  const caller = async () => {
    while (next < jobs) seen.push(await run(next++));
  };
  await Promise.all(Array.from({ length: callers }, caller));
  return { seen, seconds: (performance.now() - begin) / 1_000 };
}

async function relayed(pods: readonly Pod[], result: 'sent' | 'served'): Promise<number> {
  const pages = await Promise.all(pods.map((pod) => pod.metrics()));
  return pages.reduce((sum, page) => sum + (page.has(relays, { result }) ? page.sum(relays, { result }) : 0), 0);
}

function nth<T>(items: readonly T[], i: number): T {
  return items[i % items.length] as T;
}

story(
  `${jobs} jobs from ${callers} callers, round-robin over the pods, each pinned to an exit: all succeed there`,
  async () => {
    const { fleet, agents, origin } = lab();
    const before = { sent: await relayed(fleet.pods, 'sent'), served: await relayed(fleet.pods, 'served') };
    const url = origin.url('/bytes/100');
    let crossing = 0;
    const { seen, seconds } = await runAll(async (job) => {
      const [pod, agent] = [nth(fleet.pods, job), nth(agents, Math.floor(job / podNames.length))];
      if (agent.pod !== pod.name) crossing++;
      const { response, exit } = await pod.grpc.call(runJob, { request: { url }, target: { exitId: agent.exitId } });
      return response?.statusCode === 200 && exit?.exitId === agent.exitId;
    });
    expect(seen.filter(Boolean)).toHaveLength(jobs);
    expect((await relayed(fleet.pods, 'sent')) - before.sent).toBe(crossing);
    expect((await relayed(fleet.pods, 'served')) - before.served).toBe(crossing);
    expect(crossing / jobs).toBeCloseTo(2 / 3, 1);
    say(`${jobs} pinned jobs: ${crossing} crossed a pod, ${Math.round(jobs / seconds)} jobs/s`);
  },
  jobsBoundMs,
);

story(
  `${jobs} jobs without a target: all succeed, and the share that crosses a pod is told`,
  async () => {
    const { fleet, origin } = lab();
    const before = await relayed(fleet.pods, 'sent');
    const url = origin.url('/bytes/100');
    const { seen, seconds } = await runAll(async (job) => {
      const { response } = await nth(fleet.pods, job).grpc.call(runJob, { request: { url } });
      return response?.statusCode;
    });
    expect(seen.filter((status) => status === 200)).toHaveLength(jobs);
    const share = ((await relayed(fleet.pods, 'sent')) - before) / jobs;
    expect(share).toBeLessThan(2 / 3);
    say(`${jobs} jobs anywhere: ${(100 * share).toFixed(1)} % crossed a pod, ${Math.round(jobs / seconds)} jobs/s`);
  },
  jobsBoundMs,
);

story(
  '300 MiB through a relay arrive whole, while neither pod holds more than the window of the stream',
  async () => {
    const { fleet, heavyUrl } = lab();
    const [asked, owner] = [fleet.pod('pod-a'), fleet.pod('pod-b')];
    const held = async (pod: Pod) => (await pod.metrics()).sum('resproxy_stream_buffered_bytes');
    const most = { asked: 0, owner: 0 };
    let [bytes, nextLook] = [0, 0];
    const target = { exitId: 'home-1/pod-b-1/direct' };
    const begin = performance.now();
    const job = { request: { url: heavyUrl('/stream/300') }, target, timeout: { seconds: 110n } };
    for await (const { event } of asked.grpc.stream(streamJob, job, { deadlineMs: 110_000 })) {
      if (event.case !== 'body') continue;
      bytes += event.value.length;
      if (bytes < nextLook) continue;
      nextLook += 20 * MiB;
      most.asked = Math.max(most.asked, await held(asked));
      most.owner = Math.max(most.owner, await held(owner));
    }
    const seconds = (performance.now() - begin) / 1_000;
    expect(bytes).toBe(300 * MiB);
    expect(most.asked).toBeLessThanOrEqual(limits.maxStreamWindowBytes);
    expect(most.owner).toBeLessThanOrEqual(limits.maxStreamWindowBytes);
    const [a, b] = [most.asked, most.owner].map((held) => (held / MiB).toFixed(1));
    say(`300 MiB through a relay: ${Math.round(300 / seconds)} MiB/s, at most ${a} and ${b} MiB held`);
  },
  120_000,
);

story('a reader that stops stops the origin of another pod too, and a caller that leaves lets it go', async () => {
  const { fleet, origin } = lab();
  const headers = [{ name: 'x-marker', value: 'stalls' }];
  const job = { request: { url: origin.url('/stream/300'), headers }, target: { exitId: 'home-1/pod-c-1/direct' } };
  const stream = fleet.pod('pod-a').grpc.stream(streamJob, job);
  await new Promise((resolve) => stream.once('data', resolve));
  stream.pause();
  await origin.waitForHits('stalls');
  const gone = new Promise((resolve) => stream.once('error', resolve));
  stream.cancel();
  await gone;
  await until('the origin is let go', () => origin.hitsOf('stalls')[0]?.state === 'abandoned');
});

story('a job that fails fails the same way on its own pod and through a relay', async () => {
  const { fleet, origin, closedUrl } = lab();
  const once = { maxAttempts: 1 };
  const asked = [
    { request: { url: origin.url('/cut') }, retry: once },
    { request: { url: origin.url('/cut'), method: 'POST' }, retry: once },
    { request: { url: origin.url('/cut-body') }, retry: once },
    { request: { url: origin.url('/hang') }, timeout: { seconds: 0n, nanos: 300_000_000 } },
    { request: { url: origin.url('/hang-body') }, timeout: { seconds: 0n, nanos: 300_000_000 } },
    { request: { url: origin.url('/redirect/5'), redirects: { maxRedirects: 2 } } },
    { request: { url: origin.url('/bytes/1000'), maxResponseBytes: 10n } },
    { request: { url: origin.url('/bomb/gzip'), decompress: true, maxResponseBytes: 1_000n } },
    { request: { url: closedUrl }, retry: once },
    { request: { url: 'http://192.0.2.1/' }, retry: once },
    { request: { url: 'http://10.0.0.1:8080/' }, retry: once },
    { request: { url: 'https://127.0.0.1:1/' }, retry: once },
  ];
  const target = { exitId: 'home-1/pod-b-1/direct' };
  for (const job of asked) {
    const [there, across] = await Promise.all(
      ['pod-b', 'pod-a'].map((name) => fleet.pod(name).grpc.failure(runJob, { ...job, target })),
    );
    const words = ({ status, message, info }: NonNullable<typeof there>) => ({
      status,
      message,
      reason: info?.reason,
      origin: info?.metadata.origin,
      execution: info?.metadata.execution,
      retryable: info?.metadata.retryable,
    });
    expect(across && words(across)).toEqual(there && words(there));
  }
});

story('another tenant cannot use or see an agent of another pod that is not for it', async (use) => {
  const { fleet, origin, place } = lab();
  await fleet.access.addKey({ name: 'private', tenants: ['acme'] });
  const { exitId, agentId } = await place('only', 'pod-b', { keyName: 'private' });
  const token = await fleet.access.addCaller('stranger', 'other', ['jobs:run', 'agents:read']);
  const headers = [{ name: 'x-marker', value: 'private' }];
  const job = { request: { url: origin.url('/echo'), headers }, target: { exitId } };
  const failures = [];
  for (const pod of fleet.pods) {
    const stranger = use(new GrpcCaller(pod.ports.grpc, token));
    await until('the new caller is known', async () => {
      const { info } = await stranger.failure(runJob, { request: { url: 'ftp://example.com/' } });
      return info?.reason === 'INVALID_REQUEST';
    });
    failures.push((await stranger.failure(runJob, job)).info?.reason);
  }
  expect(new Set(failures)).toEqual(new Set(['EXIT_NOT_FOUND']));
  expect(origin.hitsOf('private')).toHaveLength(0);

  const { response } = await fleet.pod('pod-a').grpc.call(runJob, job);
  expect(response?.statusCode).toBe(200);
  await fleet.access.changeKey('private', { tenants: ['other'] });
  await until('no pod lets acme use it any more', async () => {
    const lists = await Promise.all(fleet.pods.map((pod) => pod.agents()));
    return lists.flat().every((agent) => agent.agentId !== agentId);
  });
  const refused = await fleet.pod('pod-a').grpc.failure(runJob, job);
  expect(refused.info?.reason).toBe('EXIT_NOT_FOUND');
});
