import { beforeEach, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../kit/manual-clock.ts';
import { WorkQueue } from './work-queue.ts';

interface Work {
  readonly key: string;
  readonly done: (laterMs?: number) => void;
  readonly fail: () => void;
}

let clock: ManualClock;
let open: Work[];
let retries: number[];
let queue: WorkQueue;

beforeEach(() => {
  clock = new ManualClock();
  open = [];
  retries = [];
  queue = new WorkQueue({
    clock,
    random: () => 0.5,
    workers: 2,
    work: (key) =>
      new Promise((resolve, reject) => {
        open.push({ key, done: (laterMs) => resolve(laterMs), fail: () => reject(new Error('no')) });
      }),
    onFailure: (_key, _error, retryMs) => retries.push(retryMs),
  });
});

const keys = () => open.map(({ key }) => key);
const finish = async (how: 'done' | 'fail' = 'done', laterMs?: number) => {
  const work = open.shift();
  if (how === 'done') work?.done(laterMs);
  else work?.fail();
  await settle();
};

test('works on a few keys at once, each once however often it was added', async () => {
  for (const key of ['a', 'b', 'a', 'c', 'c']) queue.add(key);
  expect(open).toEqual([]);
  queue.start();
  expect([keys(), queue.depth]).toEqual([['a', 'b'], 1]);
  await finish();
  expect(keys()).toEqual(['b', 'c']);
});

test('a key added while it is worked on comes again, after that', async () => {
  queue.start();
  queue.add('a');
  queue.add('a');
  queue.add('a');
  expect(keys()).toEqual(['a']);
  await finish();
  expect(keys()).toEqual(['a']);
  await finish();
  expect(keys()).toEqual([]);
});

test('a key comes again when its time comes, or earlier when it is added', async () => {
  queue.start();
  queue.add('a');
  await finish('done', 5_000);
  await clock.advance(4_999);
  expect(keys()).toEqual([]);
  queue.add('a');
  expect(keys()).toEqual(['a']);
  await finish('done', 5_000);
  await clock.advance(5_000);
  expect(keys()).toEqual(['a']);
  await finish();
  expect(clock.pending).toBe(0);
});

test('a failure is tried again, ever later and at most after five minutes or so; success begins anew', async () => {
  queue.start();
  queue.add('a');
  for (let i = 0; i < 14; i++) {
    await finish('fail');
    await clock.advance(retries.at(-1) ?? 0);
  }
  expect(retries.slice(0, 4)).toEqual([250, 500, 1_000, 2_000]);
  expect(Math.max(...retries)).toBe(300_000);
  await finish();
  queue.add('a');
  await finish('fail');
  expect(retries.at(-1)).toBe(250);
});

test('a failed key that was touched meanwhile still waits: a fault must not spin', async () => {
  queue.start();
  queue.add('a');
  queue.add('a');
  await finish('fail');
  expect(keys()).toEqual([]);
  await clock.advance(250);
  expect(keys()).toEqual(['a']);
});

test('stops when what was begun is done, and leaves no timer', async () => {
  queue.start();
  for (const key of ['a', 'b', 'c']) queue.add(key);
  await finish('done', 1_000);
  let stopped = false;
  const stopping = queue.stop().then(() => {
    stopped = true;
  });
  await settle();
  expect(stopped).toBe(false);
  await finish();
  await finish();
  await stopping;
  expect(keys()).toEqual([]);
  expect(clock.pending).toBe(0);
});
