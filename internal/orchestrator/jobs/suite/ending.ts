// Cancelling, finding jobs again, and telling of their end.
import assert from 'node:assert/strict';
import type { JobStore, ListFilter } from '../job-store.ts';
import {
  type Behaviour,
  bytes,
  claimIds,
  claimOne,
  failed,
  job,
  ref,
  same,
  sent,
  stateOf,
  succeed,
  tenant,
} from './subject.ts';

async function listed(store: JobStore, filter: ListFilter = {}, limit = 2): Promise<string[]> {
  const found: string[] = [];
  for (let cursor = '', page = 0; page < 50; page++) {
    const { jobs, next } = await store.list(tenant, filter, limit, cursor);
    found.push(...jobs.map(({ jobId }) => jobId));
    if (next === '') return found;
    cursor = next;
  }
  return assert.fail('the pages do not end');
}

async function cancelled(store: JobStore): Promise<unknown[]> {
  const { kind } = await store.cancel(ref());
  const { state, failure } = (await store.get(ref())) ?? assert.fail('no job');
  return [kind, state, failure?.execution];
}

const cancelling: readonly Behaviour[] = [
  {
    name: 'cancels a queued job',
    async check({ store }) {
      await store.submit(job());
      same(await cancelled(store), ['cancelled', 'CANCELLED', 'NOT_STARTED']);
      same(await claimIds(store), []);
    },
  },
  {
    name: 'cancels a leased job, so that it cannot be sent any more',
    async check({ store }) {
      await store.submit(job());
      const { lease } = await claimOne(store);
      same(await cancelled(store), ['cancelled', 'CANCELLED', 'NOT_STARTED']);
      assert.equal(await store.dispatched(lease, 'key/a/direct'), 'lost');
    },
  },
  {
    name: 'cancels a job that was sent, says that it may have left, and drops its answer',
    async check({ store }) {
      const lease = await sent(store);
      same(await cancelled(store), ['cancelled', 'CANCELLED', 'POSSIBLE']);
      assert.equal(await succeed(store, lease), 'lost');
      assert.equal((await store.get(ref()))?.attempts[0]?.failure?.code, 'CANCELLED');
    },
  },
  {
    name: 'cancels a running job, and one that waits for another attempt',
    async check({ store }) {
      const lease = await sent(store);
      await store.running(lease);
      same(await cancelled(store), ['cancelled', 'CANCELLED', 'POSSIBLE']);
      const waiting = await sent(store, { jobId: 'j2' });
      await store.retry(waiting, { delayMs: 0, attempt: failed(waiting) });
      assert.equal((await store.cancel(ref('j2'))).kind, 'cancelled');
      same(await claimIds(store), []);
    },
  },
  {
    name: 'leaves a job that has ended as it ended',
    async check({ store }) {
      await succeed(store, await sent(store));
      assert.equal((await store.cancel(ref())).kind, 'ended');
      assert.equal(await stateOf(store), 'SUCCEEDED');
    },
  },
];

const listing: readonly Behaviour[] = [
  {
    name: "lists a tenant's jobs, newest first, page by page",
    async check({ store }) {
      for (const jobId of ['a', 'b', 'c', 'd', 'e']) await store.submit(job({ jobId }));
      await store.submit(job({ tenant: 'other', jobId: 'x' }));
      same(await listed(store), ['e', 'd', 'c', 'b', 'a']);
    },
  },
  {
    name: 'lists by state, label and time',
    async check({ store, advance }) {
      await store.submit(job({ jobId: 'a', labels: { batch: '1' } }));
      advance(1_000);
      await store.submit(job({ jobId: 'b', labels: { batch: '2' } }));
      advance(1_000);
      await store.submit(job({ jobId: 'c', labels: { batch: '1' } }));
      await store.cancel(ref('a'));
      const at = (await store.get(ref('b')))?.createdAt ?? assert.fail('no job');
      same(await listed(store, { states: ['CANCELLED'] }), ['a']);
      same(await listed(store, { label: { name: 'batch', value: '1' } }), ['c', 'a']);
      same(await listed(store, { label: { name: 'constructor', value: '1' } }), []);
      same(await listed(store, { from: at }), ['c', 'b']);
      same(await listed(store, { before: at }), ['a']);
      same(await listed(store, { states: ['QUEUED'], from: at, before: at + 1 }), ['b']);
    },
  },
  {
    name: 'lists no removed job',
    async check({ store, advance }) {
      await store.submit(job({ jobId: 'a', keepMs: 1_000 }));
      await store.submit(job({ jobId: 'b' }));
      await store.cancel(ref('a'));
      advance(1_000);
      await store.sweep();
      same(await listed(store), ['b']);
    },
  },
];

const delivering: readonly Behaviour[] = [
  {
    name: 'has a delivery due for every ended job with a callback, and only for those',
    async check({ store }) {
      await store.submit(job({ jobId: 'silent' }));
      await store.submit(job({ jobId: 'told', callback: bytes('https://receiver.example') }));
      same(await store.claimDeliveries(10, 1_000), []);
      same((await store.get(ref('told')))?.callback, { state: 'PENDING', tries: 0, dueAt: null, last: '' });
      await store.cancel(ref('silent'));
      await store.cancel(ref('told'));
      const [delivery, ...others] = await store.claimDeliveries(10, 1_000);
      same([delivery?.jobId, delivery?.fence, delivery?.job.state], ['told', 1, 'CANCELLED']);
      assert.equal(Buffer.from(delivery?.callback ?? []).toString(), 'https://receiver.example');
      same(others, []);
    },
  },
  {
    name: 'delivers again when asked to, or when nothing is heard of a try',
    async check({ store, advance }) {
      await store.submit(job({ callback: bytes('url') }));
      await store.cancel(ref());
      const [first] = await store.claimDeliveries(10, 1_000);
      assert.ok(first);
      assert.equal(await store.recordDelivery(first, { kind: 'again', note: 'status 500', delayMs: 5_000 }), 'ok');
      advance(4_999);
      same(await store.claimDeliveries(10, 1_000), []);
      advance(1);
      assert.equal((await store.claimDeliveries(10, 1_000))[0]?.fence, 2);
      advance(1_000);
      const [third] = await store.claimDeliveries(10, 1_000);
      assert.ok(third);
      assert.equal(await store.recordDelivery(first, { kind: 'delivered', note: 'late' }), 'lost');
      assert.equal(await store.recordDelivery(third, { kind: 'delivered', note: 'status 204' }), 'ok');
      const state = { state: 'DELIVERED', tries: 3, dueAt: null, last: 'status 204' };
      same((await store.get(ref()))?.callback, state);
    },
  },
  {
    name: 'counts a delivery that was postponed for nothing, however often that is said',
    async check({ store, advance }) {
      await store.submit(job({ callback: bytes('url') }));
      await store.cancel(ref());
      const [first] = await store.claimDeliveries(10, 1_000);
      assert.ok(first);
      await store.recordDelivery(first, { kind: 'again', note: 'status 500', delayMs: 0 });
      const [second] = await store.claimDeliveries(10, 1_000);
      assert.ok(second);
      assert.equal(await store.recordDelivery(second, { kind: 'postponed', delayMs: 2_000 }), 'ok');
      assert.equal(await store.recordDelivery(second, { kind: 'postponed', delayMs: 9_000 }), 'lost');
      const { callback } = (await store.get(ref())) ?? {};
      same([callback?.state, callback?.tries, callback?.last], ['PENDING', 1, 'status 500']);
      advance(1_999);
      same(await store.claimDeliveries(10, 1_000), []);
      advance(1);
      assert.equal((await store.claimDeliveries(10, 1_000))[0]?.job.callback?.tries, 2);
    },
  },
  {
    name: 'begins anew after it gave up, on request',
    async check({ store }) {
      await store.submit(job({ callback: bytes('url') }));
      assert.equal(await store.redeliver(ref()), undefined);
      await store.cancel(ref());
      const [first] = await store.claimDeliveries(10, 1_000);
      assert.ok(first);
      await store.recordDelivery(first, { kind: 'gave-up', note: 'status 410' });
      same(await store.claimDeliveries(10, 1_000), []);
      assert.equal((await store.redeliver(ref()))?.state, 'PENDING');
      const [second] = await store.claimDeliveries(10, 1_000);
      same([second?.fence, second?.job.callback?.tries], [2, 1]);
      assert.equal(await store.redeliver(ref('nobody')), undefined);
    },
  },
];

export const ending: readonly Behaviour[] = [...cancelling, ...listing, ...delivering];
