import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  CancelJobRequestSchema,
  GetJobRequestSchema,
  GetJobResultRequestSchema,
  type Job,
  JobState,
  ListJobsRequestSchema,
  RedeliverCallbackRequestSchema,
  RedriveJobRequestSchema,
  SubmitJobRequestSchema,
  SubmitJobsRequestSchema,
  WatchJobRequestSchema,
  type WatchJobResponse,
} from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { Execution, FailureCode } from '../../../../gen/resproxy/v1/failure_pb.ts';
import { ManualClock, settle } from '../../../kit/manual-clock.ts';
import { answers, type Fate, fails, silence } from '../../dispatch/fake-links.ts';
import { AttemptFailure, type JobFailure } from '../../failure/failures.ts';
import { type JobStore, StoreFault } from '../../jobs/job-store.ts';
import { unlimited } from '../auth/caller.ts';
import { context, openQueue, type QueueOptions } from './durable-fixture.ts';

const url = 'http://example.com/x';
type Asked = MessageInitShape<typeof SubmitJobRequestSchema>;

let close = async () => {};

afterEach(async () => {
  await close();
  close = async () => {};
});

function open(options: Partial<QueueOptions> = {}) {
  const clock = new ManualClock();
  let ids = 0;
  const queue = openQueue({ clock, newJobId: () => `job-${++ids}`, ...options });
  close = async () => {
    const closed = queue.close();
    await clock.advance(0);
    await closed;
  };
  const { durable } = queue;
  const calls = {
    submit: (init: Asked = {}, tenant?: string) =>
      durable.submitJob(
        create(SubmitJobRequestSchema, { request: { url }, ...init } as Asked),
        context({ tenant: tenant ?? 'acme' }),
      ),
    get: async (jobId: string, tenant = 'acme'): Promise<Job> => {
      const { job } = await durable.getJob(create(GetJobRequestSchema, { jobId }), context({ tenant }));
      if (!job) throw new Error('no job in the answer');
      return job;
    },
    cancel: (jobId: string, tenant = 'acme') =>
      durable.cancelJob(create(CancelJobRequestSchema, { jobId }), context({ tenant })),
    redrive: (jobId: string, tenant = 'acme') =>
      durable.redriveJob(create(RedriveJobRequestSchema, { jobId }), context({ tenant })),
    list: (init: MessageInitShape<typeof ListJobsRequestSchema> = {}, tenant = 'acme') =>
      durable.listJobs(create(ListJobsRequestSchema, init), context({ tenant })),
    watch: (jobId: string, cursor = '', signal = new AbortController().signal, tenant = 'acme') =>
      durable.watchJob(create(WatchJobRequestSchema, { jobId, cursor }), context({ signal, tenant })),
    result: (jobId: string, tenant = 'acme') =>
      durable.getJobResult(create(GetJobResultRequestSchema, { jobId }), context({ tenant })),
  };
  return { clock, ...queue, ...calls };
}

const stateNames = Object.fromEntries(Object.entries(JobState).map(([name, number]) => [number, name]));
const told = ({ state, attempt }: WatchJobResponse) => `${stateNames[state]} ${attempt}`;

async function all<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function failureOf(call: Promise<unknown>): Promise<JobFailure> {
  return call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (failure: JobFailure) => failure,
  );
}

const refused = (): Fate => fails(new AttemptFailure('CONNECT_REFUSED', 'NOT_STARTED'));

describe('a job that is handed over', () => {
  test('is answered at once, runs, and is told as it goes', async () => {
    const { submit, get, watch } = open({ fates: [answers('hel', 'lo')] });
    const { job, existed } = await submit({ labels: { batch: '7' }, priority: 9 });
    expect(existed).toBe(false);
    expect(job).toMatchObject({ jobId: 'job-1', state: JobState.QUEUED, method: 'GET', url, caller: 'tester' });
    expect(job).toMatchObject({ priority: 9, labels: { batch: '7' }, cursor: '1' });
    expect((await all(watch('job-1'))).map(told)).toEqual(['QUEUED 0', 'DISPATCHED 1', 'RUNNING 1', 'SUCCEEDED 1']);
    const ended = await get('job-1');
    expect(ended).toMatchObject({ state: JobState.SUCCEEDED, cursor: '4', error: undefined });
    expect(ended.result).toMatchObject({ statusCode: 200, bodyBytes: 5n, finalUrl: 'http://origin.test/' });
    expect(ended.attempts.map(({ code, execution }) => [code, execution])).toEqual([[0, Execution.DONE]]);
    expect(ended.expireTime?.seconds).toBe((ended.endTime?.seconds ?? 0n) + 86_400n);
  });

  test('has its answer kept: one head, then the body in pieces', async () => {
    const body = 'x'.repeat(70_000);
    const { submit, watch, result } = open({ fates: [answers(body)] });
    await submit();
    await all(watch('job-1'));
    const [head, ...pieces] = await all(result('job-1'));
    expect(head?.part).toMatchObject({
      case: 'head',
      value: { statusCode: 200, headers: [{ name: 'content-type', value: 'text/plain' }], bodyBytes: 70_000n },
    });
    const bytes = pieces.map(({ part }) => (part.case === 'body' ? Buffer.from(part.value) : Buffer.alloc(0)));
    expect(bytes.map(({ length }) => length)).toEqual([32_768, 32_768, 4_464]);
    expect(Buffer.concat(bytes).toString()).toBe(body);
  });

  test('ends as its failure says, in words even where the store has none', async () => {
    const { clock, submit, get, store, watch } = open();
    await submit({ queueTimeout: { seconds: 5n } });
    await clock.advance(5_000);
    await store.sweep();
    expect((await all(watch('job-1'))).map(told)).toEqual(['QUEUED 0', 'EXPIRED 0']);
    expect((await get('job-1')).error).toMatchObject({
      code: FailureCode.EXPIRED_IN_QUEUE,
      execution: Execution.NOT_STARTED,
      detail: 'The job waited in the queue longer than it may.',
    });
  });

  test('waits out its delay, and may then wait as long as it may in the queue', async () => {
    const { submit, store } = open();
    const { job } = await submit({ delay: { seconds: 60n }, queueTimeout: { seconds: 5n, nanos: 1 } });
    const record = await store.get({ tenant: 'acme', jobId: 'job-1' });
    expect(job?.notBefore?.seconds).toBe((job?.submitTime?.seconds ?? 0n) + 60n);
    expect((record?.expiresAt ?? 0) - (record?.createdAt ?? 0)).toBe(65_001);
  });

  test('belongs to its tenant: nobody else learns that it exists', async () => {
    const { submit, get, cancel, redrive, watch, result, list } = open();
    await submit();
    const calls = [
      get('job-1', 'rival'),
      cancel('job-1', 'rival'),
      redrive('job-1', 'rival'),
      all(watch('job-1', '', undefined, 'rival')),
      all(result('job-1', 'rival')),
    ];
    for (const call of calls) expect(await failureOf(call)).toMatchObject({ code: 'JOB_NOT_FOUND', field: 'job_id' });
    expect((await list({}, 'rival')).jobs).toEqual([]);
  });

  test('is refused when the tenant has as many as it may', async () => {
    const { submit } = open({ settings: { maxOpenPerTenant: 1 } });
    await submit();
    expect(await failureOf(submit())).toMatchObject({ code: 'TENANT_QUEUE_FULL', retryable: true });
    expect(await submit({}, 'rival')).toMatchObject({ existed: false, job: { caller: 'tester' } });
  });
});

describe('an idempotency key', () => {
  test('gives the same job for the same request, also once it has ended', async () => {
    const { submit, watch, links } = open({ fates: [answers('once')] });
    await submit({ idempotencyKey: 'k' });
    await all(watch('job-1'));
    const again = await submit({ idempotencyKey: 'k', queueTimeout: { seconds: 9n } });
    expect(again).toMatchObject({ existed: true, job: { jobId: 'job-1', state: JobState.SUCCEEDED } });
    expect(again.job?.result?.statusCode).toBe(200);
    expect(links.sent).toHaveLength(1);
  });

  test.each<[string, Asked]>([
    ['another URL', { request: { url: `${url}?` } }],
    ['another body', { request: { url, method: 'PUT', body: Buffer.from('x') } }],
    ['another label', { labels: { a: 'b' } }],
    ['another priority', { priority: 1 }],
    ['a delay', { delay: { seconds: 1n } }],
    ['a callback', { callback: { url: 'https://example.org/' } }],
    ['another target', { target: { country: 'DE' } }],
    ['no second sight', { atMostOnce: true }],
  ])('is refused for %s', async (_, other) => {
    const { submit } = open();
    await submit({ idempotencyKey: 'k' });
    const failure = await failureOf(submit({ ...other, idempotencyKey: 'k' }));
    expect(failure).toMatchObject({ code: 'IDEMPOTENCY_KEY_CONFLICT', field: 'idempotency_key', retryable: false });
  });

  test('belongs to a tenant', async () => {
    const { submit } = open();
    await submit({ idempotencyKey: 'k' });
    expect((await submit({ request: { url: 'http://other.test/' }, idempotencyKey: 'k' }, 'rival')).existed).toBe(
      false,
    );
  });
});

describe('a watch', () => {
  test('resumes after its cursor, and ends at once when nothing is left to tell', async () => {
    const { submit, watch } = open({ fates: [answers('hello')] });
    await submit();
    const changes = await all(watch('job-1'));
    for (const [i, { cursor }] of changes.entries())
      expect(await all(watch('job-1', cursor))).toEqual(changes.slice(i + 1));
  });

  test.each(['5', '-1', 'x', '99999999999'])('refuses the cursor %s, which the job never had', async (cursor) => {
    const { submit, watch } = open();
    await submit();
    expect(await failureOf(all(watch('job-1', cursor)))).toMatchObject({ code: 'INVALID_REQUEST', field: 'cursor' });
  });

  test('sees what no hint told it of', async () => {
    const deaf = (store: JobStore): JobStore => ({ ...store, follow: () => () => {} });
    const { clock, submit, watch, cancel } = open({ seen: deaf });
    await submit();
    const states: string[] = [];
    const watching = (async () => {
      for await (const change of watch('job-1')) states.push(told(change));
    })();
    await settle();
    await cancel('job-1');
    await settle();
    expect(states).toEqual(['QUEUED 0']);
    await clock.advance(2_000);
    await watching;
    expect(states).toEqual(['QUEUED 0', 'CANCELLED 0']);
  });

  test('outlasts a store that does not answer for a while, and ends when it never does', async () => {
    let faults = 0;
    const shaky = (store: JobStore): JobStore => ({
      ...store,
      events: (...args) =>
        faults-- > 0 ? Promise.reject(new StoreFault('STORE_UNAVAILABLE', 'gone')) : store.events(...args),
    });
    const { clock, submit, watch } = open({ seen: shaky });
    await submit();
    const first = watch('job-1');
    faults = 5;
    const told = first.next();
    await settle();
    await clock.advance(10_000);
    expect((await told).value).toMatchObject({ state: JobState.QUEUED });
    faults = Number.POSITIVE_INFINITY;
    const lost = failureOf(first.next());
    await settle();
    await clock.advance(20_000);
    expect(await lost).toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
  });

  test('ends with its caller in peace, and with its pod by DRAINING', async () => {
    const { submit, watch, durable } = open();
    await submit();
    const gone = new AbortController();
    const left = watch('job-1', '1', gone.signal).next();
    const drained = failureOf(watch('job-1', '1').next());
    await settle();
    gone.abort();
    expect((await left).done).toBe(true);
    durable.endWatches();
    expect(await drained).toMatchObject({ code: 'DRAINING', retryable: true });
  });

  test('leaves nothing behind', async () => {
    const { clock, submit, watch } = open();
    await submit();
    await settle();
    const before = clock.pending;
    const watching = watch('job-1');
    await watching.next();
    await watching.return();
    expect(clock.pending).toBe(before);
  });
});

describe('a job can be ended', () => {
  test('while it waits, while it runs, and again without effect', async () => {
    const { submit, cancel, get, links } = open({ fates: [silence] });
    await submit();
    await settle();
    expect((await get('job-1')).state).toBe(JobState.DISPATCHED);
    expect((await cancel('job-1')).job).toMatchObject({ state: JobState.CANCELLED });
    await settle();
    expect(links.cancels).toEqual(['cancelled']);
    expect((await cancel('job-1')).job?.state).toBe(JobState.CANCELLED);
  });
});

describe('a result', () => {
  test('that is not there is told of by the state of the job', async () => {
    const { submit, result, cancel } = open();
    await submit();
    expect(await failureOf(all(result('job-1')))).toMatchObject({ code: 'JOB_STATE_CONFLICT', jobId: 'job-1' });
    await cancel('job-1');
    const { message } = await failureOf(all(result('job-1')));
    expect(message).toBe('The job ended without a result: CANCELLED.');
  });

  test('is gone after its time', async () => {
    const { clock, submit, watch, result, get } = open({ fates: [answers('x')] });
    await submit();
    await all(watch('job-1'));
    await clock.advance(24 * 60 * 60_000);
    expect(await failureOf(all(result('job-1')))).toMatchObject({ code: 'JOB_NOT_FOUND' });
    expect((await get('job-1')).result).toBeUndefined();
  });
});

describe('a dead letter', () => {
  test('is submitted again as a new job, and both say so', async () => {
    const { clock, submit, redrive, get, watch } = open({ fates: [refused(), refused(), refused(), answers('well')] });
    await submit({ retry: { maxAttempts: 3, initialBackoff: { seconds: 1n } } });
    await settle();
    await clock.advance(10_000);
    expect(await get('job-1')).toMatchObject({ state: JobState.DEAD, error: { code: FailureCode.CONNECT_REFUSED } });
    const { job } = await redrive('job-1');
    expect(job).toMatchObject({ redriveOf: 'job-1' });
    expect((await get('job-1')).redrivenAs).toBe(job?.jobId);
    expect((await all(watch(job?.jobId ?? ''))).at(-1)?.state).toBe(JobState.SUCCEEDED);
    expect(await failureOf(redrive(job?.jobId ?? ''))).toMatchObject({ code: 'JOB_STATE_CONFLICT' });
  });
});

describe('a batch', () => {
  test('counts each of its jobs against the rate of the caller', async () => {
    const { durable } = open();
    const limited = context();
    const caller = { ...limited.caller, limits: { ...unlimited, jobsPerSecond: 10 } };
    caller.load.tokens = 1;
    const jobs = [{ request: { url } }, { request: { url: 'ftp://x/' } }, { request: { url } }];
    const { outcomes } = await durable.submitJobs(create(SubmitJobsRequestSchema, { jobs }), { ...limited, caller });
    expect(outcomes.map(({ outcome }) => outcome.case)).toEqual(['submitted', 'failure', 'submitted']);
    expect(caller.load.tokens).toBe(-1);
  });

  test('is taken as far as the rate of a caller for one site goes', async () => {
    const { durable } = open();
    const limited = context();
    const caller = { ...limited.caller, limits: { ...unlimited, jobsPerSecondPerOrigin: 2 } };
    const urls = [url, 'http://www.example.com/', url, 'http://example.org/'];
    const jobs = urls.map((each) => ({ request: { url: each } }));
    const { outcomes } = await durable.submitJobs(create(SubmitJobsRequestSchema, { jobs }), { ...limited, caller });
    expect(outcomes.map(({ outcome }) => outcome.case)).toEqual(['submitted', 'submitted', 'failure', 'submitted']);
    expect(outcomes[2]?.outcome.value).toMatchObject({
      code: FailureCode.RATE_LIMITED,
      retryAfter: { nanos: 500_000_000 },
    });
  });

  test('says of each job what SubmitJob would have failed with', async () => {
    const { durable } = open({ settings: { maxOpenPerTenant: 1 } });
    const jobs = [{ request: { url } }, { request: { url } }, { request: { url }, priority: 10 }];
    const { outcomes } = await durable.submitJobs(create(SubmitJobsRequestSchema, { jobs }), context());
    expect(outcomes.map(({ outcome }) => outcome.value)).toMatchObject([
      { existed: false, job: { jobId: 'job-1' } },
      { code: FailureCode.TENANT_QUEUE_FULL, execution: Execution.NOT_STARTED, retryAfter: { seconds: 5n } },
      { code: FailureCode.INVALID_REQUEST, field: 'priority', detail: 'priority: must be 0 to 9' },
    ]);
  });
});

test('a batch tells of each of its jobs, also when the store breaks in the middle of it', async () => {
  let results = 0;
  const breaks = (store: JobStore): JobStore => ({
    ...store,
    result: (ref) =>
      results++ === 0 ? Promise.reject(new StoreFault('STORE_UNAVAILABLE', 'gone')) : store.result(ref),
  });
  const { durable, submit, watch } = open({ seen: breaks, fates: [answers('x')] });
  await submit({ idempotencyKey: 'k' });
  await all(watch('job-1'));
  const keyed = { request: { url }, idempotencyKey: 'k' };
  const jobs = [keyed, { request: { url } }, keyed];
  const { outcomes } = await durable.submitJobs(create(SubmitJobsRequestSchema, { jobs }), context());
  expect(outcomes.map(({ outcome }) => outcome.value)).toMatchObject([
    { code: FailureCode.STORE_UNAVAILABLE, retryAfter: { seconds: 5n } },
    { existed: false },
    { existed: true, job: { jobId: 'job-1', result: { statusCode: 200 } } },
  ]);
});

describe('a callback', () => {
  test('begins anew once the job is over, and only if there is one', async () => {
    const { submit, cancel, durable } = open();
    const redeliver = (jobId: string, tenant = 'acme') =>
      durable.redeliverCallback(create(RedeliverCallbackRequestSchema, { jobId }), context({ tenant }));
    await submit({ callback: { url: 'https://example.org/' } });
    expect((await failureOf(redeliver('job-1'))).message).toBe('The job is not over yet: QUEUED.');
    await cancel('job-1');
    expect((await redeliver('job-1')).callback).toMatchObject({ attempts: 0, webhookId: 'msg_job-1' });
    expect(await failureOf(redeliver('job-1', 'rival'))).toMatchObject({ code: 'JOB_NOT_FOUND' });
    await submit();
    await cancel('job-2');
    const failure = await failureOf(redeliver('job-2'));
    expect(failure).toMatchObject({ code: 'JOB_STATE_CONFLICT', message: 'The job has no callback.' });
  });
});

describe('a list', () => {
  test('is newest first, by state and label, a page at a time', async () => {
    const { submit, cancel, list } = open();
    for (const label of ['a', 'b', 'a', 'a']) await submit({ labels: { batch: label } });
    await cancel('job-3');
    const ids = async (init: MessageInitShape<typeof ListJobsRequestSchema>) =>
      (await list(init)).jobs.map(({ jobId }) => jobId);
    expect(await ids({})).toEqual(['job-4', 'job-3', 'job-2', 'job-1']);
    expect(await ids({ labels: { batch: 'a' } })).toEqual(['job-4', 'job-3', 'job-1']);
    expect(await ids({ states: [JobState.CANCELLED] })).toEqual(['job-3']);
    const first = await list({ pageSize: 3 });
    expect(first.jobs).toHaveLength(3);
    expect(await ids({ pageSize: 3, pageToken: first.nextPageToken })).toEqual(['job-1']);
  });

  test.each<[string, MessageInitShape<typeof ListJobsRequestSchema>]>([
    ['page_size', { pageSize: 101 }],
    ['page_token', { pageToken: 'no-token' }],
    ['states', { states: [99 as JobState] }],
    ['labels', { labels: { a: '1', b: '2' } }],
  ])('names %s as what is wrong', async (field, asked) => {
    const { list } = open();
    expect(await failureOf(list(asked))).toMatchObject({ code: 'INVALID_REQUEST', field });
  });
});

describe('a store that does not answer a submit', () => {
  const silentFor = (times: number) => {
    let left = times;
    return (store: JobStore): JobStore => ({
      ...store,
      // It has taken the job, and its answer is lost.
      submit: async (job) => {
        const submitted = await store.submit(job);
        if (left-- > 0) throw new StoreFault('STORE_UNAVAILABLE', 'no answer');
        return submitted;
      },
    });
  };

  test('is asked again, and has one job', async () => {
    const { clock, submit, list } = open({ seen: silentFor(2) });
    const submitted = submit({ request: { url, method: 'POST' } });
    await settle();
    await clock.advance(1_000);
    expect(await submitted).toMatchObject({ existed: false, job: { jobId: 'job-1' } });
    expect((await list()).jobs).toHaveLength(1);
  });

  test.each<[string, Asked, string]>([
    ['a POST', { request: { url, method: 'POST' } }, 'OUTCOME_UNKNOWN'],
    ['a GET', {}, 'STORE_UNAVAILABLE'],
    ['a POST with a key', { request: { url, method: 'POST' }, idempotencyKey: 'k' }, 'STORE_UNAVAILABLE'],
  ])('leaves %s with a failure that leads nobody to make two of it', async (_name, init, code) => {
    const { clock, submit } = open({ seen: silentFor(3) });
    const failing = failureOf(submit(init));
    await settle();
    await clock.advance(1_000);
    expect(await failing).toMatchObject({ code, execution: 'POSSIBLE', jobId: 'job-1' });
  });
});
