// What the holder of a lease may do, and that nobody else may.
import assert from 'node:assert/strict';
import { jobLimits } from '../job-limits.ts';
import {
  answered,
  type Behaviour,
  bytes,
  claimOne,
  failed,
  failure,
  history,
  job,
  leaseMs,
  ref,
  same,
  sent,
  stateOf,
  succeed,
} from './subject.ts';

export const holding: readonly Behaviour[] = [
  {
    name: 'tells every change of status once, in order, each with its attempt',
    async check({ store }) {
      const first = await sent(store);
      await store.running(first);
      await store.retry(first, { delayMs: 0, attempt: failed(first) });
      const { lease } = await claimOne(store);
      await store.dispatched(lease, 'key/b/direct');
      await store.running(lease);
      await succeed(store, lease);
      const events = (await store.events(ref(), 0)) ?? [];
      same(
        events.map(({ sequence, state, attempt }) => [sequence, state, attempt]),
        [
          [1, 'QUEUED', 0],
          [2, 'DISPATCHED', 1],
          [3, 'RUNNING', 1],
          [4, 'RETRY_WAIT', 1],
          [5, 'DISPATCHED', 2],
          [6, 'RUNNING', 2],
          [7, 'SUCCEEDED', 2],
        ],
      );
      assert.equal(events[3]?.failure?.code, 'CONNECT_REFUSED');
      assert.equal(events[5]?.exitId, 'key/b/direct');
      same(
        Array.from((await store.events(ref(), 5)) ?? [], ({ sequence }) => sequence),
        [6, 7],
      );
      assert.equal(await store.events(ref('nobody'), 0), undefined);
    },
  },
  {
    name: 'takes each step of a holder again without doing it again',
    async check({ store }) {
      const lease = await sent(store);
      assert.equal(await store.dispatched(lease, 'key/a/direct'), 'ok');
      assert.equal(await store.running(lease), 'ok');
      assert.equal(await store.running(lease), 'ok');
      assert.equal(await store.dispatched(lease, 'key/a/direct'), 'ok');
      assert.equal(await succeed(store, lease), 'ok');
      assert.equal(await succeed(store, lease), 'ok');
      same(await history(store), ['QUEUED 0', 'DISPATCHED 1', 'RUNNING 1', 'SUCCEEDED 1']);
      assert.equal((await store.get(ref()))?.attempts.length, 1);
    },
  },
  {
    name: 'keeps the answer for its time, piece by piece, and the record longer',
    async check({ store, advance }) {
      const lease = await sent(store, { resultTtlMs: 1_000, keepMs: 3_000 });
      await store.putChunk(lease, 1, bytes('world'));
      await store.putChunk(lease, 0, bytes('hello '));
      assert.equal(await store.result(ref()), undefined);
      await succeed(store, lease, ['hello ', 'world']);
      const head = (await store.result(ref())) ?? assert.fail('no result');
      same([Buffer.from(head.meta).toString(), head.bodyBytes, head.chunks], ['meta', 11, 2]);
      const body = [await store.resultChunk(ref(), 0), await store.resultChunk(ref(), 1)];
      assert.equal(Buffer.concat(body.map((chunk) => chunk ?? bytes('?'))).toString(), 'hello world');
      assert.equal(await store.resultChunk(ref(), 2), undefined);
      advance(1_000);
      assert.equal(await store.result(ref()), undefined);
      assert.equal(await store.resultChunk(ref(), 0), undefined);
      await store.sweep();
      assert.equal((await store.get(ref()))?.result, null);
      advance(2_000);
      assert.equal((await store.sweep()).deleted, 1);
      assert.equal(await store.get(ref()), undefined);
      assert.equal(await store.events(ref(), 0), undefined);
      same(await store.depth(), []);
    },
  },
  {
    name: 'keeps a record as long as its idempotency key',
    async check({ store, advance }) {
      await store.submit(job({ keepMs: 1_000, key: { key: 'k', fingerprint: 'f', ttlMs: 5_000 } }));
      await store.cancel(ref());
      advance(4_999);
      await store.sweep();
      assert.equal(await stateOf(store), 'CANCELLED');
      advance(1);
      await store.sweep();
      assert.equal(await stateOf(store), undefined);
    },
  },
  {
    name: 'says why a job failed, also before anything was sent',
    async check({ store }) {
      await store.submit(job());
      const { lease } = await claimOne(store);
      const unsent = failure({ code: 'EXIT_NOT_FOUND' });
      assert.equal(await store.finish(lease, { state: 'FAILED', failure: unsent, attempt: undefined }), 'ok');
      same((await store.get(ref()))?.failure, unsent);
      assert.equal(await succeed(store, lease), 'lost');
      assert.equal(await stateOf(store), 'FAILED');
    },
  },
  {
    name: 'does not take an answer for a job that was not marked as sent',
    async check({ store }) {
      await store.submit(job());
      const { lease } = await claimOne(store);
      assert.equal(await store.putChunk(lease, 0, bytes('early')), 'lost');
      assert.equal(await store.running(lease), 'lost');
      assert.equal(await succeed(store, lease), 'lost');
      assert.equal(await stateOf(store), 'LEASED');
    },
  },
  {
    name: 'buries a job whose attempts are used up',
    async check({ store }) {
      const lease = await sent(store, { maxAttempts: 1 });
      assert.equal(await store.retry(lease, { delayMs: 0, attempt: failed(lease) }), 'ended');
      assert.equal(await store.retry(lease, { delayMs: 0, attempt: failed(lease) }), 'ended');
      const dead = await store.get(ref());
      same([dead?.state, dead?.failure?.code, dead?.attempts.length], ['DEAD', 'CONNECT_REFUSED', 1]);
    },
  },
  {
    name: 'says of a job how far all its attempts together got, and not only the last',
    async check({ store }) {
      for (const jobId of ['dead', 'failed']) {
        const first = await sent(store, { jobId, maxAttempts: 2 });
        const lostAgent = failed(first, { code: 'AGENT_LOST', execution: 'POSSIBLE' });
        await store.retry(first, { delayMs: 0, attempt: lostAgent });
        const { lease } = await claimOne(store);
        await store.dispatched(lease, 'key/b/direct');
        const attempt = failed(lease);
        if (jobId === 'dead') await store.retry(lease, { delayMs: 0, attempt });
        else await store.finish(lease, { state: 'FAILED', failure: attempt.failure, attempt });
        const ended = (await store.get(ref(jobId)))?.failure;
        same([ended?.code, ended?.execution], ['CONNECT_REFUSED', 'POSSIBLE']);
        const told = (await store.events(ref(jobId), 0))?.at(-1)?.failure;
        same(told?.execution, 'POSSIBLE');
      }
    },
  },
  {
    name: 'never lets a job out again that may have left and is not idempotent, whatever its holder says',
    async check({ store }) {
      const lease = await sent(store, { idempotent: false });
      const attempt = failed(lease, { code: 'AGENT_LOST', execution: 'POSSIBLE' });
      assert.equal(await store.retry(lease, { delayMs: 0, attempt }), 'ended');
      const unknown = await store.get(ref());
      same([unknown?.state, unknown?.failure?.code], ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
      assert.equal(unknown?.attempts[0]?.failure?.code, 'AGENT_LOST');
    },
  },
  {
    name: 'retries a job that is not idempotent and did not leave',
    async check({ store, advance }) {
      const lease = await sent(store, { idempotent: false });
      assert.equal(await store.retry(lease, { delayMs: 500, attempt: failed(lease) }), 'ok');
      assert.equal(await store.retry(lease, { delayMs: 500, attempt: failed(lease) }), 'ok');
      assert.equal(await stateOf(store), 'RETRY_WAIT');
      assert.equal((await store.get(ref()))?.attempts.length, 1);
      advance(500);
      assert.equal((await claimOne(store)).lease.attempt, 2);
    },
  },
  {
    name: 'requeues an unsent job when its lease ends, and drops what its holder still says',
    async check({ store, advance }) {
      await store.submit(job());
      const { lease } = await claimOne(store);
      advance(leaseMs);
      assert.equal((await store.sweep()).requeued, 1);
      const second = await claimOne(store, 'pod-2');
      assert.equal(await store.dispatched(lease, 'key/a/direct'), 'lost');
      assert.equal(await store.park(lease, 'DE'), 'lost');
      assert.equal(await store.dispatched(second.lease, 'key/a/direct'), 'ok');
      same(await history(store), ['QUEUED 0', 'DISPATCHED 1']);
    },
  },
  {
    name: 'retries an idempotent job when the lease ends after it was sent; the late answer is dropped',
    async check({ store, advance }) {
      const lease = await sent(store);
      await store.running(lease);
      advance(leaseMs);
      assert.equal((await store.sweep()).retried, 1);
      const second = await claimOne(store, 'pod-2');
      assert.equal(await store.putChunk(lease, 0, bytes('late')), 'lost');
      assert.equal(await succeed(store, lease), 'lost');
      await store.dispatched(second.lease, 'key/b/direct');
      assert.equal(await succeed(store, lease), 'lost');
      assert.equal(await succeed(store, second.lease), 'ok');
      const { attempts } = (await store.get(ref())) ?? assert.fail('no job');
      same(
        attempts.map(({ attempt, failure: why }) => [attempt, why?.code, why?.execution]),
        [
          [1, 'INTERNAL', 'POSSIBLE'],
          [2, undefined, undefined],
        ],
      );
      assert.equal(attempts[0]?.durationMs, leaseMs);
    },
  },
  {
    name: 'knows no outcome when the lease ends of a job that was sent and is not idempotent',
    async check({ store, advance }) {
      const lease = await sent(store, { idempotent: false });
      advance(leaseMs);
      assert.equal((await store.sweep()).unknown, 1);
      assert.equal(await succeed(store, lease), 'lost');
      assert.equal(await stateOf(store), 'OUTCOME_UNKNOWN');
    },
  },
  {
    name: 'buries an idempotent job whose lease ended in its last attempt',
    async check({ store, advance }) {
      await sent(store, { maxAttempts: 1 });
      advance(leaseMs);
      assert.equal((await store.sweep()).dead, 1);
      assert.equal(await stateOf(store), 'DEAD');
    },
  },
  {
    name: 'keeps a renewed lease, and names those that are lost',
    async check({ store, advance }) {
      const kept = await sent(store, { jobId: 'kept' });
      const gone = await sent(store, { jobId: 'gone' });
      advance(leaseMs - 1);
      await store.cancel(ref('gone'));
      same(await store.renew([kept, gone], leaseMs), [gone]);
      advance(leaseMs - 1);
      const { requeued, retried } = await store.sweep();
      same([requeued, retried], [0, 0]);
      assert.equal(await stateOf(store, 'kept'), 'DISPATCHED');
    },
  },
  {
    name: 'takes a job back that was marked as sent and was not, for the same attempt',
    async check({ store }) {
      const lease = await sent(store, { idempotent: false, maxAttempts: 1 });
      assert.equal(await store.release(lease, 0), 'ok');
      assert.equal(await store.release(lease, 0), 'ok');
      const second = await claimOne(store);
      same([second.lease.epoch, second.lease.attempt], [2, 1]);
      assert.equal(await store.dispatched(lease, 'key/a/direct'), 'lost');
      await store.dispatched(second.lease, 'key/b/direct');
      await store.running(second.lease);
      assert.equal(await store.release(second.lease, 0), 'lost');
      same(await history(store), ['QUEUED 0', 'DISPATCHED 1', 'QUEUED 0', 'DISPATCHED 1', 'RUNNING 1']);
    },
  },
  {
    name: 'tells a bounded number of times that a job was taken back',
    async check({ store }) {
      await store.submit(job());
      for (let i = 0; i < jobLimits.maxTakenBackTold + 5; i++) {
        const { lease } = await claimOne(store);
        await store.dispatched(lease, 'key/a/direct');
        await store.release(lease, 0);
      }
      assert.equal((await history(store)).length, 1 + 2 * jobLimits.maxTakenBackTold);
      await store.cancel(ref());
      const record = await store.get(ref());
      same([record?.state, record?.sequence], ['CANCELLED', 2 + 2 * jobLimits.maxTakenBackTold]);
    },
  },
  {
    name: 'takes only the answer of the attempt that the lease is for',
    async check({ store }) {
      const lease = await sent(store);
      assert.equal(await succeed(store, { ...lease, attempt: 2 }), 'lost');
      assert.equal(await store.retry({ ...lease, epoch: 7 }, { delayMs: 0, attempt: failed(lease) }), 'lost');
      const other = { ...lease, jobId: 'nobody' };
      const ending = { state: 'FAILED', failure: failure(), attempt: answered(lease) } as const;
      assert.equal(await store.finish(other, ending), 'lost');
      assert.equal(await stateOf(store), 'DISPATCHED');
    },
  },
];
