// How jobs come in, and what keys and bounds do then.
import assert from 'node:assert/strict';
import { jobLimits } from '../job-limits.ts';
import {
  type Behaviour,
  bytes,
  claimIds,
  claimOne,
  job,
  ref,
  same,
  sent,
  stateOf,
  succeed,
  suiteSettings,
} from './subject.ts';

const key = { key: 'order-7', fingerprint: 'f1', ttlMs: 86_400_000 };

export const submitting: readonly Behaviour[] = [
  {
    name: 'shows a job as it was submitted',
    async check({ store }) {
      const submitted = await store.submit(job({ labels: { batch: 'b1' }, delayMs: 1_000 }));
      assert.equal(submitted.kind, 'created');
      const shown = (await store.get(ref())) ?? assert.fail('no job');
      const { createdAt, readyAt, expiresAt, ...rest } = shown;
      same([readyAt - createdAt, expiresAt - createdAt], [1_000, 3_600_000]);
      same(rest, {
        tenant: 'acme',
        jobId: 'j1',
        state: 'QUEUED',
        sequence: 1,
        about: 'GET /',
        labels: { batch: 'b1' },
        priority: 5,
        idempotent: true,
        maxAttempts: 3,
        attempt: 0,
        attempts: [],
        exitId: '',
        owner: '',
        parkedUnder: '',
        endedAt: null,
        failure: null,
        result: null,
        callback: null,
        redriveOf: '',
        redrivenAs: '',
      });
    },
  },
  {
    name: 'takes a submit that is sent again for the same job',
    async check({ store }) {
      await store.submit(job());
      assert.equal((await store.submit(job())).kind, 'same');
      same(await claimIds(store), ['j1']);
    },
  },
  {
    name: 'answers a known idempotency key with its job, whatever became of that',
    async check({ store }) {
      await succeed(store, await sent(store, { key }));
      const again = await store.submit(job({ jobId: 'j2', key }));
      assert.equal(again.kind === 'same' && again.job.jobId, 'j1');
      assert.equal(again.kind === 'same' && again.job.state, 'SUCCEEDED');
      assert.equal(await stateOf(store, 'j2'), undefined);
    },
  },
  {
    name: 'refuses a known idempotency key with another fingerprint',
    async check({ store }) {
      await store.submit(job({ key }));
      const other = await store.submit(job({ jobId: 'j2', key: { ...key, fingerprint: 'f2' } }));
      same(other, { kind: 'conflict', jobId: 'j1' });
    },
  },
  {
    name: 'forgets an idempotency key after its time, and not before',
    async check({ store, advance }) {
      await store.submit(job({ key }));
      advance(key.ttlMs - 1);
      assert.equal((await store.submit(job({ jobId: 'j2', key }))).kind, 'same');
      advance(1);
      assert.equal((await store.submit(job({ jobId: 'j2', key }))).kind, 'created');
      const newest = await store.submit(job({ jobId: 'j3', key }));
      assert.equal(newest.kind === 'same' && newest.job.jobId, 'j2');
    },
  },
  {
    name: "keeps tenants' ids and keys apart",
    async check({ store }) {
      await store.submit(job({ key }));
      assert.equal((await store.submit(job({ tenant: 'other', key }))).kind, 'created');
      assert.equal(await stateOf(store, 'j1', 'stranger'), undefined);
      assert.equal((await store.cancel(ref('j1', 'stranger'))).kind, 'not-found');
    },
  },
  {
    name: "refuses one more than a tenant's queue holds, until a job ends; other tenants are not affected",
    async check({ store }) {
      const most = suiteSettings.maxOpenPerTenant;
      for (let i = 0; i < most; i++) await store.submit(job({ jobId: `j${i}` }));
      same(await store.submit(job({ jobId: 'more' })), { kind: 'queue-full', open: most });
      assert.equal((await store.submit(job({ tenant: 'other' }))).kind, 'created');
      await store.cancel(ref('j0'));
      assert.equal((await store.submit(job({ jobId: 'more' }))).kind, 'created');
    },
  },
  {
    name: 'keeps a large spec byte for byte',
    async check({ store }) {
      const spec = Uint8Array.from({ length: 3 * jobLimits.maxChunkBytes + 17 }, (_, i) => (i * 31) % 256);
      await store.submit(job({ spec }));
      const claimed = await claimOne(store);
      assert.equal(Buffer.compare(claimed.spec, spec), 0);
    },
  },
  {
    name: 'refuses what is larger than its bound',
    async check({ store }) {
      const tooLarge = { code: 'REQUEST_TOO_LARGE' };
      await assert.rejects(store.submit(job({ spec: new Uint8Array(jobLimits.maxSpecBytes + 1) })), tooLarge);
      await assert.rejects(store.submit(job({ callback: new Uint8Array(jobLimits.maxCallbackBytes + 1) })), tooLarge);
      const lease = await sent(store);
      await assert.rejects(store.putChunk(lease, 0, new Uint8Array(jobLimits.maxChunkBytes + 1)), tooLarge);
      await assert.rejects(store.submit(job({ jobId: 'j2', priority: 10 })), RangeError);
    },
  },
  {
    name: 'submits a job anew on request, and keeps the link',
    async check({ store }) {
      await store.submit(job({ spec: bytes('again'), labels: { a: 'b' }, callback: bytes('url') }));
      assert.equal((await store.redrive(ref(), 'j2')).kind, 'not-redrivable');
      await store.cancel(ref());
      const redriven = await store.redrive(ref(), 'j2');
      assert.equal(redriven.kind, 'created');
      assert.equal((await store.get(ref()))?.redrivenAs, 'j2');
      const { spec, job: second } = await claimOne(store);
      same([second.jobId, second.redriveOf, second.labels], ['j2', 'j1', { a: 'b' }]);
      assert.equal(Buffer.from(spec).toString(), 'again');
      await store.cancel(ref('j2'));
      const deliveries = await store.claimDeliveries(10, leaseFor);
      same(
        deliveries.map(({ callback }) => Buffer.from(callback).toString()),
        ['url', 'url'],
      );
    },
  },
  {
    name: 'redrives a job once, however often it is asked',
    async check({ store }) {
      await store.submit(job());
      await store.cancel(ref());
      await store.redrive(ref(), 'j2');
      const again = await store.redrive(ref(), 'j3');
      assert.equal(again.kind === 'same' && again.job.jobId, 'j2');
      assert.equal((await store.redrive(ref('nobody'), 'j4')).kind, 'not-found');
    },
  },
  {
    name: 'does not redrive what has succeeded',
    async check({ store }) {
      await succeed(store, await sent(store));
      assert.equal((await store.redrive(ref(), 'j2')).kind, 'not-redrivable');
    },
  },
];

const leaseFor = 1_000;
