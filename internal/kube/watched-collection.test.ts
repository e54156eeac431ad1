import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../kit/manual-clock.ts';
import { FakeKube } from './fake-kube.ts';
import type { KubeError } from './kube-error.ts';
import { relistMs, WatchedCollection } from './watched-collection.ts';

let kube: FakeKube;
let clock: ManualClock;
let collection: WatchedCollection<ReturnType<typeof object>>;
let touched: string[];
let faults: KubeError[];

function object(name: string, size = 1) {
  return { metadata: { name, namespace: 'n', uid: name, resourceVersion: '' }, size };
}

beforeEach(() => {
  kube = new FakeKube();
  clock = new ManualClock();
  touched = [];
  faults = [];
  collection = new WatchedCollection({
    client: kube,
    kind: { api: '/api/v1', plural: 'things' },
    namespace: 'n',
    clock,
    random: () => 0.5,
    onTouched: (key, now) => touched.push(now ? `${key} ${now.size}` : `${key} gone`),
    onFault: (error) => faults.push(error),
  });
});

afterEach(async () => {
  await collection.stop();
  expect(clock.pending).toBe(0);
  expect(kube.watching).toBe(0);
});

test('lists, and then hears of every change', async () => {
  kube.put(object('a'));
  await collection.start();
  await settle();
  kube.put(object('a', 2));
  kube.put(object('b'));
  await settle();
  kube.remove('n/a');
  await settle();
  expect(touched).toEqual(['n/a 1', 'n/a 2', 'n/b 1', 'n/a gone']);
  expect([collection.size, collection.get('n/b')?.size]).toEqual([1, 1]);
});

test('goes on from where a watch broke off, without listing again', async () => {
  await collection.start();
  await settle();
  kube.breakWatches();
  await settle();
  await clock.advance(1_000);
  kube.put(object('a'));
  await settle();
  expect(touched).toEqual(['n/a 1']);
  expect(kube.lists).toBe(1);
  expect(faults.map(({ fault }) => fault)).toEqual(['unreachable']);
});

test('lists again when the server forgot, and tells what went meanwhile', async () => {
  kube.put(object('a'));
  kube.put(object('b'));
  await collection.start();
  await settle();
  touched.length = 0;
  kube.breakWatches();
  kube.removeSilently('n/a');
  kube.forget();
  await settle();
  await clock.advance(5_000);
  expect(touched).toEqual(['n/a gone', 'n/b 1']);
  expect(faults.map(({ fault }) => fault)).toEqual(['unreachable']);
});

test('lists again every ten minutes, and touches everything', async () => {
  kube.put(object('a'));
  await collection.start();
  await settle();
  await clock.advance(relistMs);
  touched.length = 0;
  kube.endWatches();
  await settle();
  expect(kube.lists).toBe(2);
  expect(touched).toEqual(['n/a 1']);
});

test('keeps what it knows while the server is away, and tries ever more rarely', async () => {
  kube.put(object('a'));
  await collection.start();
  await settle();
  kube.down = true;
  kube.breakWatches();
  await settle();
  await clock.advance(120_000);
  expect(collection.size).toBe(1);
  expect(collection.silentMs).toBe(120_000);
  expect(faults.length).toBeGreaterThan(5);
  expect(faults.length).toBeLessThan(20);
});

test('a server that ends every watch at once is not asked without end', async () => {
  await collection.start();
  for (let i = 0; i < 10; i++) {
    await settle();
    kube.endWatches();
    await settle();
  }
  expect(faults.length).toBeLessThan(3);
});

test('what was put is known before the watch tells of it', async () => {
  await collection.start();
  collection.put(object('a', 7));
  expect(collection.get('n/a')?.size).toBe(7);
});

test('stopped before it was listed, it says so', async () => {
  kube.down = true;
  const starting = collection.start();
  await settle();
  await collection.stop();
  await expect(starting).rejects.toThrow('stopped before they were listed');
});
