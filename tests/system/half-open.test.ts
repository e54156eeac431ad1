// A line that dies without a word: both ends notice within the bounds they state, and the agent dials again.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { limits } from '../../internal/wire/limits.ts';
import { Cluster } from '../harness/cluster.ts';
import { FaultProxy } from '../harness/fault-proxy.ts';
import { patienceMs, timed } from '../harness/goals.ts';
import { Origin } from '../harness/origin.ts';
import { story, type Use } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const runJob = JobService.method.runJob;
const toldGoalMs = 2_000;
const oneRoundTripMs = 200;
const twoRoundTripsMs = 400;

type Lab = Awaited<ReturnType<typeof lab>>;

async function lab(use: Use) {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  const line = use(await FaultProxy.start(cluster.ports.agent));
  const agent = await cluster.startAgent({ port: line.port, env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  return { origin, cluster, line, agent };
}

/** Why a POST fails that is at the origin when `cut` is called. */
async function reasonOfHeldJob({ origin, cluster }: Lab, goalMs: number, cut: () => void) {
  const headers = [{ name: 'x-marker', value: 'held' }];
  const job = cluster.grpc.failure(runJob, { request: { url: origin.url('/hold/all'), method: 'POST', headers } });
  await origin.waitForHits('held');
  cut();
  const { info } = await timed('the line is cut, the caller told', goalMs, job);
  return info?.reason;
}

for (const direction of ['both', 'up', 'down'] as const) {
  story(
    `a line that loses everything (${direction}) with a job in flight is given up and dialled again`,
    async (use) => {
      const all = await lab(use);
      const { cluster, line, origin } = all;
      const dialled = line.accepted;
      const reason = await reasonOfHeldJob(all, limits.busyDeadMs, () => line.blackhole(direction));
      expect(reason).toBe('OUTCOME_UNKNOWN');

      await until('the agent dials again', () => line.accepted > dialled, patienceMs(limits.busyDeadMs));
      line.heal();
      origin.holds.releaseAll();
      await until(
        'jobs run again',
        async () => {
          const { status } = await cluster.rest.runJob({ url: origin.url('/echo') });
          return status === 200;
        },
        limits.dialTimeoutMs + 20_000,
      );
    },
  );
}

story('a line that is reset with a job in flight is told of at once', async (use) => {
  const all = await lab(use);
  expect(await reasonOfHeldJob(all, toldGoalMs, () => all.line.reset())).toBe('OUTCOME_UNKNOWN');
  await until(
    'jobs run again',
    async () => (await all.cluster.rest.runJob({ url: all.origin.url('/echo') })).status === 200,
  );
});

story('a slow, sliced line changes nothing but the time', async (use) => {
  const { origin, cluster, line } = await lab(use);
  line.shape('both', { latencyMs: 40, sliceBytes: 1000, bytesPerSecond: 2_000_000 });
  const body = Buffer.alloc(300_000, 'y');
  const { response } = await cluster.grpc.call(runJob, {
    request: { url: origin.url('/mirror'), method: 'POST', body },
  });
  expect(Buffer.from(response?.body ?? []).equals(body)).toBe(true);
});

story('a small job over a distant line takes one round trip', async (use) => {
  const { origin, cluster, line } = await lab(use);
  const job = () => cluster.grpc.call(runJob, { request: { url: origin.url('/bytes/100') } });
  await job();
  line.shape('both', { latencyMs: oneRoundTripMs / 2 });
  // A busy machine only adds to it, so the quickest of many is what counts.
  let quickestMs = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 40 && quickestMs >= twoRoundTripsMs; i++) {
    const begin = performance.now();
    await job();
    quickestMs = Math.min(quickestMs, performance.now() - begin);
  }
  expect(quickestMs).toBeGreaterThanOrEqual(oneRoundTripMs - 2);
  expect(quickestMs).toBeLessThan(twoRoundTripsMs);
});
