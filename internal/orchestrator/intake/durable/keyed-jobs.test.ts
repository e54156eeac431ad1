import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from '@jest/globals';
import { RunJobRequestSchema } from '../../../../gen/resproxy/v1/job_pb.ts';
import { ManualClock, settle } from '../../../kit/manual-clock.ts';
import { answers, type Fate, fails, silence } from '../../dispatch/fake-links.ts';
import { AttemptFailure, type JobFailure } from '../../failure/failures.ts';
import type { CallContext } from '../call.ts';
import { context, openQueue } from './durable-fixture.ts';

type Asked = MessageInitShape<typeof RunJobRequestSchema>;

const url = 'http://example.com/x';
const post = { request: { url, method: 'POST' } };
let close = async () => {};

afterEach(() => close());

function open(...fates: Fate[]) {
  const clock = new ManualClock();
  let ids = 0;
  const queue = openQueue({ clock, newJobId: () => `job-${++ids}`, ...(fates.length > 0 && { fates }) });
  close = async () => {
    const closed = queue.close();
    await clock.advance(0);
    await closed;
  };
  const run = (asked: Asked = { request: { url } }, given: Partial<Omit<CallContext, 'caller'>> = {}) =>
    queue.keyed.run(create(RunJobRequestSchema, { idempotencyKey: 'k', ...asked } as Asked), context(given));
  return { clock, ...queue, run };
}

async function failureOf(call: Promise<unknown>): Promise<JobFailure> {
  return call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (failure: JobFailure) => failure,
  );
}

test('the answer is that of RunJob, and is given again without another request', async () => {
  const { run, links } = open(answers('hel', 'lo'));
  const first = await run();
  expect(first).toMatchObject({ jobId: 'job-1', response: { statusCode: 200, finalUrl: 'http://origin.test/' } });
  expect(Buffer.from(first.response?.body ?? []).toString()).toBe('hello');
  expect(first.attempts).toHaveLength(1);
  expect(await run()).toEqual(first);
  expect(links.sent).toHaveLength(1);
});

test('a call that comes while the first is under way waits for its answer', async () => {
  const { run, links } = open(answers('once'));
  const [first, ...others] = await Promise.all([run(post), run(post), run(post)]);
  expect(first?.jobId).toBe('job-1');
  expect(others).toEqual([first, first]);
  expect(links.sent).toHaveLength(1);
});

describe('a failure', () => {
  test('is that of the job, the same for every call, and invites nobody to come again', async () => {
    const { run, clock, links } = open(fails(new AttemptFailure('DNS_FAILURE', 'NOT_STARTED')));
    const failing = failureOf(run());
    await settle();
    await clock.advance(20_000);
    const failure = await failing;
    expect(failure).toMatchObject({ code: 'DNS_FAILURE', jobId: 'job-1', retryable: false, execution: 'NOT_STARTED' });
    expect(failure.attempts.map(({ code }) => code)).toEqual(['DNS_FAILURE', 'DNS_FAILURE', 'DNS_FAILURE']);
    expect(await failureOf(run())).toMatchObject({ code: 'DNS_FAILURE', jobId: 'job-1' });
    expect(links.sent).toHaveLength(3);
  });

  test('of what may have been done says so', async () => {
    const { run } = open(fails(new AttemptFailure('AGENT_LOST', 'POSSIBLE')));
    expect(await failureOf(run(post))).toMatchObject({
      code: 'OUTCOME_UNKNOWN',
      execution: 'POSSIBLE',
      retryable: false,
    });
  });

  test('of a key that belongs to another request', async () => {
    const { run } = open(answers('x'));
    await run();
    expect(await failureOf(run(post))).toMatchObject({ code: 'IDEMPOTENCY_KEY_CONFLICT' });
  });

  test.each<[string, Asked, string]>([
    ['a key that is none', { idempotencyKey: 'é' }, 'idempotency_key'],
    ['no time', { timeout: {} }, 'timeout'],
    ['what only SubmitJob honours', { retry: { retryOnStatus: [503] } }, 'retry.retry_on_status'],
    ['no request', { request: undefined } as unknown as Asked, 'request'],
  ])('of %s names the field', async (_name, asked, field) => {
    expect(await failureOf(open().run({ request: { url }, ...asked } as Asked))).toMatchObject({ field });
  });
});

describe('a caller that waits no longer', () => {
  test('has its answer at its deadline, whichever is shorter, and the job goes on', async () => {
    const { run, clock, store } = open(silence);
    const waiting = failureOf(run({ request: { url }, timeout: { seconds: 20n } }, { deadlineMs: 5_000 }));
    await settle();
    await clock.advance(4_999);
    await clock.advance(1);
    expect(await waiting).toMatchObject({ code: 'DEADLINE_EXCEEDED', execution: 'POSSIBLE', jobId: 'job-1' });
    expect((await store.get({ tenant: 'acme', jobId: 'job-1' }))?.state).toBe('DISPATCHED');
  });

  test('leaves by itself, and finds the answer when it comes back', async () => {
    const { run, links } = open(answers('kept'));
    const gone = new AbortController();
    const left = failureOf(run(post, { signal: gone.signal }));
    gone.abort();
    expect(await left).toMatchObject({ code: 'CANCELLED', execution: 'NOT_STARTED' });
    expect(Buffer.from((await run(post)).response?.body ?? []).toString()).toBe('kept');
    expect(links.sent).toHaveLength(1);
  });
});
