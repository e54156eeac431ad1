// Who gets which job, in which order, and what becomes of jobs that wait.
import assert from 'node:assert/strict';
import {
  type Behaviour,
  claimIds,
  claimOne,
  failed,
  history,
  job,
  leaseMs,
  parkedTargets,
  ref,
  same,
  sent,
  stateOf,
  suiteSettings,
} from './subject.ts';

export const claiming: readonly Behaviour[] = [
  {
    name: 'hands out a job once, with its spec, a lease and its first attempt',
    async check({ store }) {
      await store.submit(job());
      const { lease, spec, job: record } = await claimOne(store);
      same({ ...lease }, { tenant: 'acme', jobId: 'j1', epoch: 1, attempt: 1 });
      assert.equal(Buffer.from(spec).toString(), 'spec');
      same([record.state, record.owner, record.attempt], ['LEASED', 'pod-1', 0]);
      same(await claimIds(store), []);
    },
  },
  {
    name: 'takes the highest priority first, and the oldest within it',
    async check({ store }) {
      for (const [jobId, priority] of [
        ['a', 0],
        ['b', 9],
        ['c', 5],
        ['d', 9],
      ] as const) {
        await store.submit(job({ jobId, priority }));
      }
      same(await claimIds(store), ['b', 'd', 'c', 'a']);
    },
  },
  {
    name: 'gives each waiting tenant its batch in turn',
    async check({ store }) {
      for (let i = 0; i < 8; i++) await store.submit(job({ tenant: 'big', jobId: `big-${i}` }));
      await store.submit(job({ tenant: 'small', jobId: 'small-0' }));
      for (let i = 0; i < 4; i++) await store.submit(job({ tenant: 'mid', jobId: `mid-${i}` }));
      const turns = [
        'big-0',
        'big-1',
        'big-2',
        'small-0',
        'mid-0',
        'mid-1',
        'mid-2',
        'big-3',
        'big-4',
        'big-5',
        'mid-3',
      ];
      same(await claimIds(store, 11), turns);
      same(await claimIds(store), ['big-6', 'big-7']);
    },
  },
  {
    name: 'goes on with an unfinished batch at the next claim',
    async check({ store }) {
      for (let i = 0; i < 9; i++) await store.submit(job({ tenant: i % 2 ? 'b' : 'a', jobId: `j${i}` }));
      const claimed: string[] = [];
      for (let i = 0; i < 4; i++) claimed.push(...(await claimIds(store, 2)));
      same(claimed, ['j0', 'j2', 'j4', 'j1', 'j3', 'j5', 'j6', 'j8']);
    },
  },
  {
    name: 'lets no tenant have more than its batch between the submit and the claim of another',
    async check({ store }) {
      for (let i = 0; i < suiteSettings.maxOpenPerTenant; i++)
        await store.submit(job({ tenant: 'big', jobId: `b${i}` }));
      await claimIds(store, 1);
      await store.submit(job({ tenant: 'late', jobId: 'late' }));
      const order = await claimIds(store, 10);
      assert.ok(order.indexOf('late') >= 0 && order.indexOf('late') <= suiteSettings.tenantBatch, order.join());
    },
  },
  {
    name: 'holds a job back until its time',
    async check({ store, advance }) {
      await store.submit(job({ delayMs: 5_000 }));
      advance(4_999);
      same(await claimIds(store), []);
      advance(1);
      same(await claimIds(store), ['j1']);
    },
  },
  {
    name: 'expires what nobody sent in its time, at the claim as at the sweep',
    async check({ store, advance }) {
      await store.submit(job({ jobId: 'ready', queueMs: 1_000 }));
      await store.submit(job({ jobId: 'later', delayMs: 5_000, queueMs: 1_000 }));
      advance(1_000);
      same(await claimIds(store), []);
      assert.equal(await stateOf(store, 'ready'), 'EXPIRED');
      assert.equal((await store.sweep()).expired, 1);
      const later = await store.get(ref('later'));
      same(later?.failure, { code: 'EXPIRED_IN_QUEUE', detail: '', execution: 'NOT_STARTED' });
    },
  },
  {
    name: 'expires a job that waits for its next attempt, and says that an earlier one may have left',
    async check({ store, advance }) {
      const lease = await sent(store, { queueMs: 1_000 });
      await store.retry(lease, { delayMs: 2_000, attempt: failed(lease, { execution: 'POSSIBLE' }) });
      advance(1_000);
      assert.equal((await store.sweep()).expired, 1);
      assert.equal((await store.get(ref()))?.failure?.execution, 'POSSIBLE');
    },
  },
  {
    name: 'takes back a job that was not sent, at once or later',
    async check({ store, advance }) {
      await store.submit(job());
      const { lease } = await claimOne(store);
      assert.equal(await store.release(lease, 2_000), 'ok');
      assert.equal(await store.release(lease, 2_000), 'ok');
      same(await claimIds(store), []);
      advance(2_000);
      const second = await claimOne(store);
      same([second.lease.epoch, second.lease.attempt], [2, 1]);
      assert.equal(await store.release(lease, 0), 'lost');
      same(await history(store), ['QUEUED 0']);
    },
  },
  {
    name: 'parks jobs under their target until it is woken',
    async check({ store }) {
      await store.submit(job({ jobId: 'a' }));
      await store.submit(job({ jobId: 'b' }));
      for (let i = 0; i < 2; i++) assert.equal(await store.park((await claimOne(store)).lease, 'DE'), 'ok');
      same(await claimIds(store), []);
      same(await parkedTargets(store), [{ target: 'DE', jobs: 2 }]);
      assert.equal((await store.get(ref('a')))?.parkedUnder, 'DE');
      assert.equal(await store.unpark('FR', 10), 0);
      assert.equal(await store.unpark('DE', 1), 1);
      same(await claimIds(store), ['a']);
      assert.equal(await store.unpark('DE', 10), 1);
      same(await claimIds(store), ['b']);
      same(await parkedTargets(store), []);
    },
  },
  {
    name: 'lists every target that jobs wait for, however few fit on a page',
    async check({ store }) {
      // Long names and many of them, so that no store has them all in one small thing.
      const targets = Array.from({ length: 12 }, (_, i) => `${'x'.repeat(80)}-${String(i).padStart(2, '0')}`);
      for (const [i, target] of targets.entries()) {
        await store.submit(job({ jobId: `j${i}` }));
        await store.park((await claimOne(store)).lease, target);
      }
      const listed = await parkedTargets(store, 2);
      same(
        listed,
        targets.map((target) => ({ target, jobs: 1 })),
      );
      const first = await store.parkedTargets(2, '');
      assert.ok(first.targets.length < targets.length && first.next !== '');
    },
  },
  {
    name: 'parks no more than the bound under one target, and leaves the lease with its holder',
    async check({ store }) {
      for (let i = 0; i <= suiteSettings.maxParkedPerTarget; i++) await store.submit(job({ jobId: `j${i}` }));
      const claimed = await store.claim({ podId: 'pod-1', limit: 10, leaseMs });
      const outcomes = [];
      for (const { lease } of claimed) outcomes.push(await store.park(lease, 'DE'));
      same(outcomes, ['ok', 'ok', 'full']);
      assert.equal(await stateOf(store, 'j2'), 'LEASED');
    },
  },
  {
    name: 'cancels and expires parked jobs, and makes room by it',
    async check({ store, advance }) {
      for (const jobId of ['a', 'b']) await store.submit(job({ jobId, queueMs: 1_000 }));
      for (let i = 0; i < 2; i++) await store.park((await claimOne(store)).lease, 'DE');
      await store.cancel(ref('a'));
      advance(1_000);
      await store.sweep();
      assert.equal(await stateOf(store, 'b'), 'EXPIRED');
      same(await parkedTargets(store), []);
    },
  },
  {
    name: 'counts jobs by state and priority',
    async check({ store }) {
      await store.submit(job({ jobId: 'a', priority: 9 }));
      await store.submit(job({ jobId: 'b' }));
      await store.submit(job({ jobId: 'c' }));
      await claimOne(store);
      same(
        (await store.depth()).map(({ state, priority, jobs }) => `${state} ${priority} ${jobs}`),
        ['LEASED 9 1', 'QUEUED 5 2'],
      );
    },
  },
];
