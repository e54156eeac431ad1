// How an agent serves streams: which it refuses, how answers travel, and what ends a job.
import { afterEach, describe, expect, test } from '@jest/globals';
import { ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import { ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { Execution, FailureCode, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';
import { settle } from '../../kit/manual-clock.ts';
import { limits } from '../../wire/limits.ts';
import type { PodConnection } from './fakes/fake-pod.ts';
import { okHead } from './fakes/fake-runner.ts';
import { Rig, type RigOptions } from './fakes/rig.ts';

let rig: Rig;

async function welcomed(options?: RigOptions): Promise<PodConnection> {
  rig = await Rig.start(options);
  const pod = await rig.pod.welcomed();
  await rig.log.line('Connected');
  return pod;
}

afterEach(async () => {
  await rig.close();
  expect(rig.jobs.running).toBe(0);
  expect(rig.exits.find('direct')?.inFlight).toBe(0);
});

const bytes = (size: number) => new Uint8Array(size).fill(7);

/** Reads DATA until the end of the stream. */
async function restOf(pod: PodConnection): Promise<number> {
  let total = 0;
  for (;;) {
    const { value } = await pod.frame('data');
    expect(value.bytes.length).toBeLessThanOrEqual(limits.maxDataBytes);
    total += value.bytes.length;
    if (value.end) return total;
  }
}

describe('the answer', () => {
  test('leaves as one frame when it comes in one piece', async () => {
    const pod = await welcomed();
    pod.open(1);
    const { sink } = await rig.runner.next();
    sink.head(okHead);
    sink.data(new Uint8Array([1, 2]));
    sink.data(new Uint8Array([3]));
    sink.end();
    const { streamId, value } = await pod.frame('openOk');
    expect(streamId).toBe(1);
    expect(value).toMatchObject({ statusCode: 200, finalUrl: okHead.finalUrl, timings: okHead.timings, end: true });
    expect(value.headers.map(({ name, value }) => [name, value])).toEqual([
      ['Set-Cookie', 'a=1'],
      ['X-A', 'b'],
      ['Set-Cookie', 'c=2'],
    ]);
    expect([...value.body]).toEqual([1, 2, 3]);
    expect(rig.jobs.running).toBe(0);
  });

  test('leaves as one frame up to 16 KiB of body, and not beyond', async () => {
    const pod = await welcomed();
    for (const [id, size] of [limits.maxInlineBodyBytes, limits.maxInlineBodyBytes + 1].entries()) {
      pod.open(id + 1);
      const { sink } = await rig.runner.next();
      sink.head(okHead);
      sink.data(bytes(size - 5));
      sink.data(bytes(5));
      sink.end();
    }
    const whole = await pod.frame('openOk');
    expect([whole.streamId, whole.value.body.length, whole.value.end]).toEqual([1, limits.maxInlineBodyBytes, true]);
    const parts = await pod.frame('openOk');
    expect([parts.streamId, parts.value.body.length, parts.value.end]).toEqual([2, 0, false]);
    expect(await restOf(pod)).toBe(limits.maxInlineBodyBytes + 1);
  });

  test('does not keep the head waiting for a body that is late', async () => {
    const pod = await welcomed();
    pod.open(1);
    const { sink } = await rig.runner.next();
    sink.head(okHead);
    sink.data(bytes(10));
    const { value } = await pod.frame('openOk');
    expect([value.body.length, value.end]).toEqual([10, false]);
    sink.data(bytes(100_000));
    sink.end();
    expect(await restOf(pod)).toBe(100_000);
  });

  test('pauses the origin while the pod gives no credit', async () => {
    const pod = await welcomed();
    pod.open(1, { window: limits.maxDataBytes });
    const run = await rig.runner.next();
    run.sink.head(okHead);
    await pod.frame('openOk');
    expect(run.sink.data(bytes(limits.maxDataBytes))).toBe(true);
    expect(run.sink.data(bytes(limits.socketBufferBytes))).toBe(false);
    expect(run.sink.data(bytes(1))).toBe(false);
    expect((await pod.frame('data')).value.bytes.length).toBe(limits.maxDataBytes);
    pod.send(1, { case: 'credit', value: { bytes: 100_000 } });
    await run.resumed();
    run.sink.end();
    expect(await restOf(pod)).toBe(limits.socketBufferBytes + 1);
    expect(run.resumes).toBe(0);
  });
});

describe('a failure', () => {
  const refused = {
    code: FailureCode.EXIT_REFUSED,
    refusal: RefusalReason.PORT,
    execution: Execution.NOT_STARTED,
  };

  test('before the head is an OPEN_ERR as the egress says it', async () => {
    const pod = await welcomed();
    pod.open(1);
    (await rig.runner.next()).sink.fail(refused);
    expect((await pod.frame('openErr')).value).toMatchObject(refused);
  });

  test('right after the head, which is still here, is an OPEN_ERR too', async () => {
    const pod = await welcomed();
    pod.open(1);
    const { sink } = await rig.runner.next();
    const incomplete = { ...refused, code: FailureCode.RESPONSE_INCOMPLETE, execution: Execution.POSSIBLE };
    sink.head(okHead);
    sink.fail(incomplete);
    expect((await pod.frame('openErr')).value).toMatchObject(incomplete);
    await settle();
    expect(pod.unread).toBe(0);
  });

  test('after the head was sent is a RESET that names it', async () => {
    const pod = await welcomed();
    pod.open(1);
    const { sink } = await rig.runner.next();
    sink.head(okHead);
    await pod.frame('openOk');
    sink.fail({ ...refused, code: FailureCode.RESPONSE_TOO_LARGE, execution: Execution.DONE });
    expect((await pod.frame('reset')).value).toMatchObject({
      code: ResetCode.FAILED,
      failure: FailureCode.RESPONSE_TOO_LARGE,
    });
  });
});

describe('the request', () => {
  test('reaches the egress as the pod wrote it', async () => {
    const pod = await welcomed();
    const headers = [
      { name: 'X-A', value: '1' },
      { name: 'x-a', value: '2' },
    ];
    const value = { method: 'POST', url: 'http://origin.example/%7Ea', headers, maxRedirects: 3, decompress: true };
    pod.open(1, { kind: { case: 'http', value: { ...value, maxResponseBytes: 5n } }, idempotent: true });
    const { request, body } = await rig.runner.next();
    expect(request).toMatchObject({
      ...value,
      maxResponseBytes: 5,
      deadlineMs: 30_000,
      isolationKey: '\x01\x02\xff',
      idempotent: true,
      jobId: 'job-1',
    });
    expect([body.first.length, body.end]).toEqual([0, true]);
  });

  test('body comes as it arrives, after what OPEN carried', async () => {
    const pod = await welcomed();
    pod.open(1, { body: new Uint8Array([1]), end: false });
    const { body } = await rig.runner.next();
    expect([[...body.first], body.end]).toEqual([[1], false]);
    pod.send(1, { case: 'data', value: { bytes: new Uint8Array([2, 3]) } });
    pod.send(1, { case: 'data', value: { bytes: new Uint8Array([4]), end: true } });
    expect(await body.read()).toEqual(Buffer.from([2, 3]));
    expect(await body.read()).toEqual(Buffer.from([4]));
    expect(await body.read()).toBeUndefined();
  });
});

describe('cancelling', () => {
  test('by a RESET of the pod aborts the exchange and frees its slot at once', async () => {
    const pod = await welcomed({ capacity: 1 });
    pod.open(1);
    const run = await rig.runner.next();
    pod.send(1, { case: 'reset', value: { code: ResetCode.CANCELLED } });
    pod.open(2);
    await run.aborted();
    await rig.runner.next();
    expect(rig.jobs.running).toBe(1);
  });

  test('after the answer began does so too', async () => {
    const pod = await welcomed();
    pod.open(1);
    const run = await rig.runner.next();
    run.sink.head(okHead);
    await pod.frame('openOk');
    pod.send(1, { case: 'reset', value: { code: ResetCode.CANCELLED } });
    await run.aborted();
    expect(rig.jobs.running).toBe(0);
  });

  test('by the loss of the connection aborts all that ran on it', async () => {
    const pod = await welcomed();
    pod.open(1);
    pod.open(2);
    const runs = [await rig.runner.next(), await rig.runner.next()];
    pod.breakOff();
    for (const run of runs) await run.aborted();
    expect(rig.jobs.running).toBe(0);
  });

  test('is not what the end of an answer is', async () => {
    const pod = await welcomed();
    pod.open(1);
    const run = await rig.runner.next();
    run.sink.head(okHead);
    run.sink.end();
    await pod.frame('openOk');
    pod.breakOff();
    await rig.log.line('Next try');
    expect(run.aborts).toBe(0);
  });
});

describe('a job is refused', () => {
  test('beyond the capacity of its exit, until another is over', async () => {
    const pod = await welcomed({ capacity: 2 });
    for (const id of [1, 2, 3]) pod.open(id);
    expect(await pod.frame('openErr')).toMatchObject({
      streamId: 3,
      value: { code: FailureCode.EXIT_BUSY, execution: Execution.NOT_STARTED },
    });
    await rig.log.line('Job refused: this agent runs as many jobs as it may.');
    const { sink } = await rig.runner.next();
    sink.head(okHead);
    sink.end();
    await pod.frame('openOk');
    pod.open(4);
    await rig.runner.next();
    expect((await rig.runner.next()).request.jobId).toBe('job-4');
  });

  test('by the name of an exit that is not there', async () => {
    const pod = await welcomed();
    pod.open(1, { exit: 'upstream' });
    expect((await pod.frame('openErr')).value).toMatchObject({
      code: FailureCode.EXIT_NOT_FOUND,
      execution: Execution.NOT_STARTED,
    });
  });

  test.each([
    [ExitState.PAUSED, FailureCode.EXIT_REFUSED, RefusalReason.PAUSED],
    [ExitState.QUOTA, FailureCode.EXIT_REFUSED, RefusalReason.QUOTA],
    [ExitState.COOLING, FailureCode.EXIT_BUSY, RefusalReason.UNSPECIFIED],
  ])('by an exit in state %d', async (state, code, refusal) => {
    const pod = await welcomed();
    rig.exits.change('direct', { state });
    await pod.frame('exits');
    pod.open(1);
    expect((await pod.frame('openErr')).value).toMatchObject({ code, refusal, execution: Execution.NOT_STARTED });
  });

  test('when it is of a kind that this agent does not know', async () => {
    const pod = await welcomed();
    pod.send(1, { case: 'open', value: { exit: 'direct', jobId: 'job', attempt: 1, end: true } });
    expect(await pod.frame('reset')).toMatchObject({ streamId: 1, value: { code: ResetCode.UNSUPPORTED } });
  });

  test('when the same attempt was begun before, even on another connection', async () => {
    const pod = await welcomed();
    pod.open(1, { jobId: 'job' });
    await rig.runner.next();
    pod.open(2, { jobId: 'job' });
    const repeated = { code: FailureCode.INTERNAL, execution: Execution.POSSIBLE };
    expect(await pod.frame('openErr')).toMatchObject({ streamId: 2, value: repeated });
    pod.breakOff();
    const { delayMs } = await rig.log.line('Next try');
    await rig.clock.advance(Number(delayMs));
    const next = await rig.pod.welcomed();
    next.open(1, { jobId: 'job' });
    expect((await next.frame('openErr')).value).toMatchObject(repeated);
    next.open(2, { jobId: 'job', attempt: 2 });
    await rig.runner.next();
    expect(rig.runner.runs).toBe(2);
  });

  test('without being remembered as begun', async () => {
    const pod = await welcomed({ capacity: 1 });
    pod.open(1);
    pod.open(2, { jobId: 'job' });
    await pod.frame('openErr');
    (await rig.runner.next()).sink.fail({ code: FailureCode.DNS_FAILURE, refusal: 0, execution: 1 });
    await pod.frame('openErr');
    pod.open(3, { jobId: 'job' });
    await rig.runner.next();
  });
});
