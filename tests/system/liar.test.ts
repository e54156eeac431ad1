// An agent that breaks the channel's rules loses its connection with the code that says why, its jobs fail, and the pod
// and honest agents go on.
import { randomBytes } from 'node:crypto';
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { limits } from '../../internal/wire/limits.ts';
import { closeCode } from '../../internal/wire/names.ts';
import { Cluster } from '../harness/cluster.ts';
import { honestHello, LyingAgent } from '../harness/lying-agent.ts';
import { Origin } from '../harness/origin.ts';
import { shared, story, type Use } from '../harness/story.ts';

const runJob = JobService.method.runJob;
const target = { exitId: 'liar/liar/direct' };
const answer = { statusCode: 200, headers: [], finalUrl: 'http://example.com/' };

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  const key = await cluster.addKey({ name: 'liar' });
  return { origin, cluster, key, connect: () => LyingAgent.connect(cluster.ports.agent, key) };
});

async function honestJob(): Promise<void> {
  const { cluster, origin } = lab();
  const request = { url: origin.url('/bytes/7') };
  const { response } = await cluster.grpc.call(runJob, { request, target: { exitId: 'home-1/default/direct' } });
  expect(response?.body.length).toBe(7);
}

async function greeted(use: Use): Promise<LyingAgent> {
  const liar = use(await lab().connect());
  await liar.greet();
  return liar;
}

/** A job that the liar has been given, and its stream. */
async function givenJob(liar: LyingAgent) {
  const job = lab().cluster.grpc.failure(runJob, { request: { url: 'http://example.com/', method: 'POST' }, target });
  const { streamId } = await liar.hear('open');
  return { job, streamId };
}

story('data on a stream that was never opened', async (use) => {
  const liar = await greeted(use);
  liar.say(999, { case: 'data', value: { bytes: Buffer.from('x') } });
  expect(await liar.closed()).toBe(closeCode.protocolError);
  await honestJob();
});

story('more bytes than were granted', async (use) => {
  const liar = await greeted(use);
  // A caller that reads nothing, so that the pod grants nothing.
  const stream = lab().cluster.grpc.stream(JobService.method.streamJob, {
    request: { url: 'http://example.com/' },
    target,
  });
  use({ close: async () => stream.cancel() });
  const { streamId } = await liar.hear('open');
  liar.say(streamId, { case: 'openOk', value: { ...answer } });
  const bytes = Buffer.alloc(limits.maxDataBytes);
  for (let sent = 0; sent <= 4 * limits.maxConnectionWindowBytes; sent += bytes.length) {
    liar.say(streamId, { case: 'data', value: { bytes } });
  }
  expect(await liar.closed()).toBe(closeCode.flowControl);
  await honestJob();
});

story('two answers to one job', async (use) => {
  const liar = await greeted(use);
  const { job, streamId } = await givenJob(liar);
  liar.say(streamId, { case: 'openOk', value: { ...answer } });
  liar.say(streamId, { case: 'openOk', value: { ...answer } });
  expect(await liar.closed()).toBe(closeCode.protocolError);
  expect((await job).info?.reason).toBe('OUTCOME_UNKNOWN');
  await honestJob();
});

story('an answer, and then a refusal of the same job', async (use) => {
  const liar = await greeted(use);
  const { job, streamId } = await givenJob(liar);
  liar.say(streamId, { case: 'openOk', value: { ...answer } });
  liar.say(streamId, { case: 'openErr', value: { code: 84, execution: 1 } });
  expect(await liar.closed()).toBe(closeCode.protocolError);
  expect((await job).info?.reason).toBe('OUTCOME_UNKNOWN');
});

story('data after the end: the answer that was whole stands, the connection does not', async (use) => {
  const liar = await greeted(use);
  const done = lab().cluster.grpc.call(runJob, { request: { url: 'http://example.com/' }, target });
  const { streamId } = await liar.hear('open');
  liar.say(streamId, { case: 'openOk', value: { ...answer, body: Buffer.from('whole'), end: true } });
  liar.say(streamId, { case: 'data', value: { bytes: Buffer.from('more') } });
  expect(Buffer.from((await done).response?.body ?? []).toString()).toBe('whole');
  expect(await liar.closed()).toBe(closeCode.protocolError);
  await honestJob();
});

story('credit beyond what a window can be', async (use) => {
  const liar = await greeted(use);
  for (let i = 0; i < 4; i++) liar.say(0, { case: 'credit', value: { bytes: 0xffffffff } });
  expect(await liar.closed()).toBe(closeCode.flowControl);
});

story('a stream that the agent opens', async (use) => {
  const liar = await greeted(use);
  liar.say(7, { case: 'open', value: { exit: 'direct', jobId: 'mine' } });
  expect(await liar.closed()).toBe(closeCode.protocolError);
});

story('a second greeting', async (use) => {
  const liar = await greeted(use);
  liar.say(0, { case: 'hello', value: honestHello() });
  expect(await liar.closed()).toBe(closeCode.protocolError);
});

story('anything but a greeting first', async (use) => {
  const liar = use(await lab().connect());
  liar.say(1, { case: 'data', value: { bytes: Buffer.from('x') } });
  expect(await liar.closed()).toBe(closeCode.protocolError);
});

story('no greeting at all, within its 5 s', async (use) => {
  const liar = use(await lab().connect());
  expect(await liar.closed(limits.helloTimeoutMs + 3_000)).toBe(closeCode.protocolError);
});

story('bytes that are no frame, and text', async (use) => {
  const garbage = await greeted(use);
  garbage.sayBytes(Buffer.from('ffffffffff', 'hex'));
  expect(await garbage.closed()).toBe(closeCode.protocolError);
  const text = await greeted(use);
  text.sayText('{"hello": true}');
  expect([closeCode.protocolError, 1003]).toContain(await text.closed());
});

story('a frame larger than agreed', async (use) => {
  const liar = await greeted(use);
  liar.sayBytes(Buffer.alloc(limits.maxFrameBytes + 1));
  expect([closeCode.frameTooLarge, 1009]).toContain(await liar.closed());
  await honestJob();
});

story('a protocol of another time', async (use) => {
  const liar = use(await lab().connect());
  liar.say(0, { case: 'hello', value: { ...honestHello(), protocolMin: 90, protocolMax: 99 } });
  expect(await liar.closed()).toBe(closeCode.upgradeRequired);
});

story('names that are none, and windows of nothing', async (use) => {
  for (const lie of [{ agentName: '../../etc' }, { agentName: '' }, { streamWindow: 0 }, { connectionWindow: 1 }]) {
    const liar = use(await lab().connect());
    liar.say(0, { case: 'hello', value: { ...honestHello(), ...lie } });
    expect(await liar.closed()).toBe(closeCode.protocolError);
  }
});

story("an answer with a header that would split the caller's", async (use) => {
  const liar = await greeted(use);
  const { job, streamId } = await givenJob(liar);
  const headers = [{ name: 'x-a', value: 'b\r\nset-cookie: stolen=1' }];
  liar.say(streamId, { case: 'openOk', value: { ...answer, headers, end: true } });
  expect((await job).info?.reason).toBeDefined();
  await honestJob();
});

story('a thousand random frames from many liars leave the pod alive', async (use) => {
  for (let i = 0; i < 20; i++) {
    const liar = use(await lab().connect());
    if (i % 2 === 0) await liar.greet();
    for (let j = 0; j < 50; j++) liar.sayBytes(randomBytes(1 + Math.floor(Math.random() * 200)));
    await liar.closed();
  }
  await honestJob();
  expect(lab().cluster.orchestrator.alive).toBe(true);
});

story('a newer instance of the same agent takes over at once, and the older one is told 4409', async (use) => {
  const first = await greeted(use);
  const second = use(await lab().connect());
  await second.greet({ instanceId: 'instance-2' });
  expect(await first.closed()).toBe(closeCode.replaced);
});
