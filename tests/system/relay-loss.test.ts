// What happens to a job when the agent of another pod, or the line to that pod, goes away in the middle of it: its caller
// is told the truth in time, and what may run again runs elsewhere.
import type { MessageInitShape } from '@bufbuild/protobuf';
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { limits } from '../../internal/wire/limits.ts';
import { FaultProxy } from '../harness/fault-proxy.ts';
import { patienceMs, timed } from '../harness/goals.ts';
import { callFailure, type GrpcCaller } from '../harness/grpc-caller.ts';
import { startRelayLab } from '../harness/relay-lab.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const { runJob, streamJob } = JobService.method;
const toldGoalMs = 2_000;

const lab = shared((use) => startRelayLab(use));

interface Phase {
  readonly when: string;
  readonly path: string;
  readonly body?: Buffer;
  /** The caller reads the answer as it comes, and has begun to. */
  readonly reading?: true;
}

/** More than every window on the way holds, so that it is still going up while the origin does not read. */
const longBody = Buffer.alloc(15 * 1024 * 1024, 'x');
const phases: readonly Phase[] = [
  { when: 'while the body goes up', path: '/hold/up', body: longBody },
  { when: 'at the origin, before the head', path: '/hold/head' },
  { when: 'in the middle of the answer', path: '/hang-body', reading: true },
];

for (const { when, path, body = Buffer.alloc(0), reading } of phases) {
  story(`an agent of another pod that dies ${when}: PUT is lost, POST is unknown`, async () => {
    const { fleet, origin, place, remove } = lab();
    const agent = await place('phase', 'pod-b');
    const { grpc } = fleet.pod('pod-a');
    const job = (method: string) => ({
      request: { url: origin.url(path), method, headers: [{ name: 'x-marker', value: path }], body },
      target: { exitId: agent.exitId },
      retry: { maxAttempts: 1 },
    });
    const jobs = ['PUT', 'POST'].map(job);
    const running = reading ? await brokenStreams(grpc, jobs) : jobs.map((each) => grpc.failure(runJob, each));
    await origin.waitForHits(path, jobs.length);

    agent.program.signal('SIGKILL');
    const told = timed(`agent of another pod killed ${when}, its callers told`, toldGoalMs, Promise.all(running));
    const infos = (await told).map(({ info }) => info);
    expect(infos.map((info) => info?.reason)).toEqual(['AGENT_LOST', 'OUTCOME_UNKNOWN']);
    expect(infos.map((info) => info?.metadata.execution)).toEqual(['POSSIBLE', 'POSSIBLE']);
    expect(origin.hitsOf(path)).toHaveLength(jobs.length);
    await remove(agent);
  });
}

for (const when of ['before its first job', 'after the answer to a job']) {
  story(`an agent of another pod that dies ${when}: the next job is told that it never started`, async () => {
    const { fleet, origin, place, remove } = lab();
    const agent = await place('idle', 'pod-b');
    const grpc = fleet.pod('pod-a').grpc;
    const headers = [{ name: 'x-marker', value: when }];
    const job = { request: { url: origin.url('/echo'), headers }, target: { exitId: agent.exitId } };
    if (when.startsWith('after')) expect((await grpc.call(runJob, job)).response?.statusCode).toBe(200);
    const hits = origin.hitsOf(when).length;
    await agent.program.kill();
    const { info } = await timed(`a job after an agent died ${when}`, toldGoalMs, grpc.failure(runJob, job));
    expect(info?.metadata.execution).toBe('NOT_STARTED');
    expect(origin.hitsOf(when)).toHaveLength(hits);
    await remove(agent);
  });
}

story('a GET whose agent dies on another pod runs again on a third, and its caller sees only the answer', async () => {
  const { fleet, origin, place, remove } = lab();
  const labels = { AGENT_LABELS: 'test=again' };
  const agents = [await place('again-b', 'pod-b', { env: labels }), await place('again-c', 'pod-c', { env: labels })];
  const headers = [{ name: 'x-marker', value: 'again' }];
  const request = { url: origin.url('/hold/again'), headers };
  const answer = fleet.pod('pod-a').grpc.call(runJob, { request, target: { labels: { test: 'again' } } });
  await origin.waitForHits('again');
  const busy = await until('the agent with the job is known', async () => {
    const lists = await Promise.all(fleet.pods.map((pod) => pod.agents()));
    const found = lists.flat().find(({ exits }) => exits.some(({ inFlight }) => inFlight > 0));
    return agents.find(({ agentId }) => agentId === found?.agentId);
  });
  await busy.program.kill();
  await origin.waitForHits('again', 2);
  origin.holds.release('again');
  const { attempts, response } = await answer;
  expect(response?.statusCode).toBe(200);
  const idle = agents.filter((agent) => agent !== busy);
  expect(attempts.map(({ exitId }) => exitId)).toEqual([busy, ...idle].map(({ exitId }) => exitId));
  for (const agent of [busy, ...idle]) await remove(agent);
});

story(
  'a line between pods that loses everything is noticed: POST is unknown, GET runs elsewhere, all heals',
  async (use) => {
    const { fleet, origin, place } = await startRelayLab(use, { faultyPeers: ['pod-b'] });
    const far = await place('far', 'pod-b');
    const grpc = fleet.pod('pod-a').grpc;
    const job = (method: string, name: string) => {
      const headers = [{ name: 'x-marker', value: name }];
      return { request: { url: origin.url(`/hold/${name}`), method, headers } };
    };
    const post = grpc.failure(runJob, { ...job('POST', 'post'), target: { exitId: far.exitId } });
    const get = grpc.call(runJob, job('GET', 'get'));
    await Promise.all([origin.waitForHits('post'), origin.waitForHits('get')]);
    await place('near', 'pod-a');

    fleet.line('pod-b').blackhole('both');
    const { info } = await timed('half-open line between pods, noticed', limits.busyDeadMs, post);
    expect(info?.reason).toBe('OUTCOME_UNKNOWN');
    origin.holds.releaseAll();
    expect((await get).attempts.map(({ exitId }) => exitId)).toEqual([far.exitId, 'home-1/near/direct']);
    expect(origin.hitsOf('post')).toHaveLength(1);
    const near = await grpc.call(runJob, { request: { url: origin.url('/echo') } });
    expect(near.exit?.agentId).toBe('home-1/near');

    fleet.line('pod-b').heal();
    await until(
      'jobs cross again',
      async () => {
        const crossing = grpc.call(runJob, { ...job('GET', 'healed'), target: { exitId: far.exitId } });
        return crossing.catch(() => undefined);
      },
      30_000,
    );
  },
  120_000,
);

story('an agent of another pod whose line loses everything is noticed, and its GET runs elsewhere', async (use) => {
  const { fleet, origin, place, remove } = lab();
  const line = use(await FaultProxy.start(fleet.pod('pod-b').ports.agent));
  const env = { AGENT_LABELS: 'test=line' };
  const far = await place('line-b', 'pod-b', { env, port: line.port });
  const headers = [{ name: 'x-marker', value: 'line' }];
  const request = { url: origin.url('/hold/line'), headers };
  const get = fleet.pod('pod-a').grpc.call(runJob, { request, target: { labels: { test: 'line' } } });
  await origin.waitForHits('line');
  const other = await place('line-c', 'pod-c', { env });
  line.blackhole('both');
  const again = origin.waitForHits('line', 2, patienceMs(limits.busyDeadMs));
  await timed('half-open agent of another pod, its job runs elsewhere', limits.busyDeadMs, again);
  origin.holds.release('line');
  expect((await get).attempts.map(({ exitId }) => exitId)).toEqual([far.exitId, other.exitId]);
  line.heal();
  for (const agent of [far, other]) await remove(agent);
});

/** Streams that have brought their first bytes; each resolves to how it breaks off. */
async function brokenStreams(grpc: GrpcCaller, jobs: readonly MessageInitShape<typeof streamJob.input>[]) {
  const started = jobs.map((job) => {
    const first = Promise.withResolvers<void>();
    const read = async () => {
      for await (const { event } of grpc.stream(streamJob, job)) if (event.case === 'body') first.resolve();
      throw new Error('the stream ended well');
    };
    return { first: first.promise, failure: read().catch(callFailure) };
  });
  await Promise.all(started.map(({ first }) => first));
  return started.map(({ failure }) => failure);
}
