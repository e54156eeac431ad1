// How long the oldest job waits: since when, for what, and which jobs count.
import assert from 'node:assert/strict';
import type { JobStore } from '../job-store.ts';
import { type Behaviour, claimIds, claimOne, failed, job, ref, same, sent } from './subject.ts';

async function oldest(store: JobStore): Promise<string[]> {
  return (await store.oldest()).map(({ waitingFor, priority, waitedMs }) => `${waitingFor} ${priority} ${waitedMs}`);
}

export const waiting: readonly Behaviour[] = [
  {
    name: 'tells by priority how long the oldest job waits for its claim, whoever submitted it',
    async check({ store, advance }) {
      same(await oldest(store), []);
      await store.submit(job({ jobId: 'a', priority: 9 }));
      advance(2_000);
      await store.submit(job({ jobId: 'b' }));
      advance(1_000);
      await store.submit(job({ jobId: 'c', tenant: 'other' }));
      same(await oldest(store), ['claim 5 1000', 'claim 9 3000']);
      await store.cancel(ref('b'));
      same(await oldest(store), ['claim 5 0', 'claim 9 3000']);
      await claimIds(store);
      same(await oldest(store), []);
    },
  },
  {
    name: 'counts from when a job might be claimed, though nobody claims or sweeps',
    async check({ store, advance }) {
      await store.submit(job({ delayMs: 5_000 }));
      advance(4_999);
      same(await oldest(store), []);
      advance(2_001);
      same(await oldest(store), ['claim 5 2000']);
      await store.sweep();
      same(await oldest(store), ['claim 5 2000']);
      const { lease } = await claimOne(store);
      await store.release(lease, 3_000);
      same(await oldest(store), []);
      advance(4_000);
      same(await oldest(store), ['claim 5 1000']);
    },
  },
  {
    name: 'is not misled by an earlier job that has just come back',
    async check({ store, advance }) {
      const lease = await sent(store, { jobId: 'early' });
      await store.submit(job({ jobId: 'late' }));
      advance(4_000);
      await store.retry(lease, { delayMs: 1_000, attempt: failed(lease) });
      advance(2_000);
      same(await oldest(store), ['claim 5 6000']);
      same(await claimIds(store, 1), ['early']);
      same(await oldest(store), ['claim 5 6000']);
    },
  },
  {
    name: 'tells of jobs that wait for an exit apart, and goes on counting when an exit was tried in vain',
    async check({ store, advance }) {
      for (const jobId of ['a', 'b']) await store.submit(job({ jobId }));
      advance(1_000);
      await store.park((await claimOne(store)).lease, 'DE');
      advance(1_000);
      same(await oldest(store), ['claim 5 2000', 'exit 5 2000']);
      await store.cancel(ref('b'));
      same(await oldest(store), ['exit 5 2000']);
      await store.unpark('DE', 1);
      same(await oldest(store), ['claim 5 2000']);
      await store.park((await claimOne(store)).lease, 'FR');
      advance(500);
      same(await oldest(store), ['exit 5 2500']);
      await store.cancel(ref('a'));
      same(await oldest(store), []);
    },
  },
  {
    name: 'tells of no job that is held, and of one that lost its holder from then on',
    async check({ store, advance }) {
      await store.submit(job());
      advance(1_000);
      await store.claim({ podId: 'pod-1', limit: 1, leaseMs: 5_000 });
      advance(5_000);
      same(await oldest(store), []);
      await store.sweep();
      advance(700);
      same(await oldest(store), ['claim 5 700']);
    },
  },
  {
    name: 'tells of no job that expired',
    async check({ store, advance }) {
      await store.submit(job({ jobId: 'ready', queueMs: 1_000 }));
      await store.submit(job({ jobId: 'aside', priority: 9, queueMs: 1_000 }));
      assert.equal(await store.park((await claimOne(store)).lease, 'DE'), 'ok');
      advance(1_000);
      await store.sweep();
      same(await oldest(store), []);
    },
  },
];
