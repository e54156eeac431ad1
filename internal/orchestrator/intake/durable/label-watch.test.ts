import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from '@jest/globals';
import {
  CancelJobRequestSchema,
  JobState,
  SubmitJobRequestSchema,
  WatchJobsRequestSchema,
  type WatchJobsResponse,
} from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { ManualClock, settle } from '../../../kit/manual-clock.ts';
import { answers } from '../../dispatch/fake-links.ts';
import type { JobFailure } from '../../failure/failures.ts';
import { type JobStore, StoreFault } from '../../jobs/job-store.ts';
import { context, openQueue, type QueueOptions } from './durable-fixture.ts';

// Every change of the jobs with a label: what is told, where it resumes, and what a lost hint costs.

type Asked = MessageInitShape<typeof WatchJobsRequestSchema>;

const states = Object.fromEntries(Object.entries(JobState).map(([name, number]) => [number, name]));
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function open(options: Partial<QueueOptions> = {}) {
  const clock = new ManualClock();
  let ids = 0;
  const queue = openQueue({ clock, newJobId: () => `job-${++ids}`, ...options });
  cleanups.push(async () => {
    const closed = queue.close();
    await clock.advance(0);
    await closed;
  });
  const { durable } = queue;
  const submit = (batch: string, tenant = 'acme') =>
    durable.submitJob(
      create(SubmitJobRequestSchema, { request: { url: 'http://example.com/' }, labels: { batch } }),
      context({ tenant }),
    );
  const cancel = (jobId: string) => durable.cancelJob(create(CancelJobRequestSchema, { jobId }), context());
  /** What has been told so far, as it comes. */
  const watch = (asked: Asked = {}) => {
    const gone = new AbortController();
    const told: WatchJobsResponse[] = [];
    const asking = create(WatchJobsRequestSchema, { labels: { batch: 'a' }, ...asked } as Asked);
    const over = (async () => {
      for await (const response of durable.watchJobs(asking, context({ signal: gone.signal }))) told.push(response);
    })();
    over.catch(() => {});
    cleanups.push(() => gone.abort());
    return { told, over, leave: () => gone.abort(), lines: () => told.map(lineOf) };
  };
  const tick = async (ms = 250) => {
    await settle();
    await clock.advance(ms);
  };
  return { clock, ...queue, submit, cancel, watch, tick };
}

function lineOf({ event }: WatchJobsResponse): string {
  if (event.case === 'synced' || event.case === undefined) return 'synced';
  const { jobId, state, cursor } = event.value;
  return `${event.case} ${jobId} ${states[state]} ${cursor}`;
}

test('a watch tells of jobs with the label, those of before and those to come, each change once and in its order', async () => {
  const { submit, cancel, watch, tick } = open();
  await submit('a');
  await submit('b');
  const { lines } = watch();
  await tick();
  expect(lines()).toEqual(['synced']);
  await submit('a');
  await submit('b');
  await submit('a', 'rival');
  await tick();
  await cancel('job-1');
  await cancel('job-2');
  await tick();
  expect(lines()).toEqual(['synced', 'change job-3 QUEUED 1', 'change job-1 CANCELLED 2']);
  await tick(30_000);
  expect(lines()).toHaveLength(3);
});

test('what a job goes through while nobody asks for the next change is told all the same', async () => {
  const { submit, watch, tick } = open({ fates: [answers('hel', 'lo')] });
  const { lines } = watch();
  await tick();
  await submit('a');
  await tick();
  const told = ['QUEUED 1', 'DISPATCHED 2', 'RUNNING 3', 'SUCCEEDED 4'];
  expect(lines()).toEqual(['synced', ...told.map((line) => `change job-1 ${line}`)]);
});

test('how the jobs stand is told first when it is asked for', async () => {
  const { submit, cancel, watch, tick } = open();
  for (let i = 0; i < 3; i++) await submit('a');
  await cancel('job-2');
  const { lines } = watch({ presentFirst: true });
  await tick();
  await cancel('job-1');
  await tick();
  expect(lines()).toEqual([
    'present job-3 QUEUED 1',
    'present job-2 CANCELLED 2',
    'present job-1 QUEUED 1',
    'synced',
    'change job-1 CANCELLED 2',
  ]);
});

test('from any cursor on nothing is missed, and what is repeated has the cursor of its job', async () => {
  const { submit, cancel, watch, tick } = open();
  await submit('a');
  const first = watch();
  await tick();
  for (let i = 2; i <= 6; i++) {
    await submit('a');
    await tick(3_000);
    await cancel(`job-${i - 1}`);
    await tick(4_000);
  }
  first.leave();
  await cancel('job-6');
  await submit('a');
  const all = new Set(first.lines().slice(1)).add('change job-6 CANCELLED 2').add('change job-7 QUEUED 1');
  expect(all.size).toBe(first.told.length + 1);
  for (const [i, { cursor }] of first.told.entries()) {
    const resumed = watch({ cursor });
    await tick();
    const seen = new Set([...first.lines().slice(1, i + 1), ...resumed.lines().filter((line) => line !== 'synced')]);
    expect(all.difference(seen)).toEqual(new Set());
    resumed.leave();
  }
  const last = watch({ cursor: first.told.at(-1)?.cursor ?? '' });
  await tick();
  // Rounds move the cursor on: what was over long ago is not told again.
  expect(last.lines()).not.toContain('change job-1 CANCELLED 2');
});

test('a hint that was lost costs a few seconds, for a change and for a new job', async () => {
  const deaf = (store: JobStore): JobStore => ({ ...store, follow: () => () => {} });
  const { submit, cancel, watch, tick } = open({ seen: deaf });
  await submit('a');
  const { lines } = watch();
  await tick();
  await cancel('job-1');
  await submit('a');
  await tick(9_000);
  expect(lines()).toEqual(['synced']);
  await tick(1_000);
  expect(lines()).toEqual(['synced', 'change job-2 QUEUED 1', 'change job-1 CANCELLED 2']);
});

test('a store is asked for new jobs five times a second, however many come without the label', async () => {
  let lists = 0;
  const counting = (store: JobStore): JobStore => ({
    ...store,
    list: (...asked) => {
      lists++;
      return store.list(...asked);
    },
  });
  const { submit, watch, tick } = open({ seen: counting });
  watch();
  await tick();
  lists = 0;
  for (let i = 0; i < 100; i++) {
    await submit('b');
    await tick(10);
  }
  expect(lists).toBeGreaterThanOrEqual(8);
  expect(lists).toBeLessThanOrEqual(12);
});

test('a watch outlasts a store that is away for a while, and leaves nothing behind', async () => {
  let isAway = false;
  const shaky = (store: JobStore): JobStore => ({
    ...store,
    events: (...asked) =>
      isAway ? Promise.reject(new StoreFault('STORE_UNAVAILABLE', 'gone')) : store.events(...asked),
  });
  const { clock, submit, cancel, watch, tick } = open({ seen: shaky });
  await submit('a');
  await settle();
  const timers = clock.pending;
  const { lines, leave, over } = watch();
  await tick();
  isAway = true;
  await cancel('job-1');
  await tick(6_000);
  isAway = false;
  await tick(2_000);
  expect(lines()).toEqual(['synced', 'change job-1 CANCELLED 2']);
  leave();
  await over;
  expect(clock.pending).toBe(timers);
});

test('a pod that goes away says so', async () => {
  const { durable, watch, tick } = open();
  const { over } = watch();
  await tick();
  durable.endWatches();
  await expect(over).rejects.toMatchObject({ code: 'DRAINING', retryable: true });
});

test('a thousand jobs may be open, and one more is too many', async () => {
  const { submit, watch, tick } = open();
  for (let i = 0; i < 1_000; i++) await submit('a');
  const { lines, over } = watch();
  await tick();
  expect(lines()).toEqual(['synced']);
  await submit('a');
  await tick();
  await expect(over).rejects.toMatchObject({ code: 'QUOTA_EXCEEDED', field: 'labels' });
});

describe('what is wrong with a request is named', () => {
  test.each<[string, Asked]>([
    ['labels', { labels: {} }],
    ['labels', { labels: { a: '1', b: '2' } }],
    ['cursor', { cursor: 'x' }],
    ['present_first', { cursor: '1', presentFirst: true }],
  ])('%s', (field, asked) => {
    const { durable } = open();
    const request = create(WatchJobsRequestSchema, { labels: { batch: 'a' }, ...asked } as Asked);
    const refused = (() => {
      try {
        durable.watchJobs(request, context());
      } catch (failure) {
        return failure as JobFailure;
      }
      return undefined;
    })();
    expect(refused).toMatchObject({ code: 'INVALID_REQUEST', field });
  });
});
