// A store beside the model: the same random history happens to both, and after each step both must have said the same.
// What the model itself must never do is asked of the events, so that the two cannot be wrong together unseen.
import assert from 'node:assert/strict';
import fc from 'fast-check';
import { hasEnded, type JobEvent } from '../job.ts';
import type { Delivery, DeliveryOutcome, JobStore, Lease } from '../job-store.ts';
import { memoryJobStore } from '../memory-store.ts';
import { jobIds, type Step, step, tenants } from './steps.ts';
import { answered, bytes, failed, failure, leaseMs, parkedTargets, same, suiteSettings } from './subject.ts';

export interface Subject {
  readonly store: JobStore;
  readonly end: () => Promise<void>;
}

export interface ModelOptions {
  /** A new, empty store with `suiteSettings` that goes by the given time. */
  readonly subject: (now: () => number) => Promise<Subject>;
  readonly runs: number;
}

/** A step on a store: what it said. */
type Play = (store: JobStore) => Promise<unknown>;

export async function behavesLikeTheModel({ subject, runs }: ModelOptions): Promise<void> {
  const histories = fc.array(step, { minLength: 10, maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(histories, (steps) => compare(steps, subject)),
    { numRuns: runs },
  );
}

async function compare(steps: readonly Step[], make: ModelOptions['subject']): Promise<void> {
  let now = 1_700_000_000_000;
  const clock = () => now;
  const model = memoryJobStore({ now: clock, settings: suiteSettings });
  const { store, end } = await make(clock);
  const history = new History();
  try {
    for (const one of steps) {
      if (one.do === 'advance') now += one.ms;
      else await bothSay(model, store, history.play(one), (said) => history.learn(said));
    }
    await bothSay(model, store, look);
    await promisesHold(model);
  } finally {
    await end();
  }
}

async function bothSay(model: JobStore, store: JobStore, play: Play, learn: (said: unknown) => void = () => {}) {
  const expected = await play(model);
  same(await play(store), expected);
  learn(expected);
}

/** What was given out so far: a step refers to it. */
class History {
  readonly #leases: Lease[] = [{ tenant: 'acme', jobId: 'j1', epoch: 1, attempt: 1 }];
  readonly #deliveries: Delivery[] = [];

  learn(said: unknown): void {
    if (!Array.isArray(said)) return;
    for (const one of said) {
      if (one?.lease) this.#leases.push(one.lease);
      if (one?.fence) this.#deliveries.push(one);
    }
  }

  play(one: Step): Play {
    if ('lease' in one) return onLease(one, recent(this.#leases, one.lease));
    if (one.do === 'recordDelivery') return this.#record(one);
    return (store) => onStore(store, one);
  }

  #record({ delivery, kind }: Extract<Step, { do: 'recordDelivery' }>): Play {
    if (this.#deliveries.length === 0) return async () => undefined;
    const outcome = outcomeOf(kind);
    return (store) => store.recordDelivery(recent(this.#deliveries, delivery), outcome);
  }
}

function outcomeOf(kind: DeliveryOutcome['kind']): DeliveryOutcome {
  if (kind === 'postponed') return { kind, delayMs: 5_000 };
  return kind === 'again' ? { kind, note: 'again', delayMs: 5_000 } : { kind, note: 'done' };
}

/** The nth newest, round and round. */
function recent<T>(given: readonly T[], nth: number): T {
  return given.at(-1 - (nth % given.length)) ?? assert.fail('nothing was given out');
}

function onLease(one: Extract<Step, { lease: number }>, lease: Lease): Play {
  switch (one.do) {
    case 'dispatched':
      return (store) => store.dispatched(lease, 'key/a/direct');
    case 'running':
      return (store) => store.running(lease);
    case 'chunk':
      return (store) => store.putChunk(lease, 0, bytes(`epoch ${lease.epoch}`));
    case 'renew':
      return async (store) => Array.from(await store.renew([lease], leaseMs), ({ jobId }) => jobId);
    case 'release':
      return (store) => store.release(lease, one.delayMs);
    case 'park':
      return (store) => store.park(lease, one.target);
    case 'succeed': {
      const answer = { attempt: answered(lease), meta: bytes('meta'), bodyBytes: 7, chunks: 1 };
      return (store) => store.finish(lease, { state: 'SUCCEEDED', ...answer });
    }
    case 'fail':
      return (store) => store.finish(lease, { state: one.state, failure: failure(), attempt: failed(lease) });
    case 'retry': {
      const { delayMs, execution } = one;
      return (store) => store.retry(lease, { delayMs, attempt: failed(lease, { execution }) });
    }
  }
}

function onStore(store: JobStore, one: Exclude<Step, { lease: number } | { do: 'recordDelivery' }>): Promise<unknown> {
  switch (one.do) {
    case 'submit':
      return store.submit(one.job);
    case 'claim':
      return store.claim({ podId: one.podId, limit: one.limit, leaseMs });
    case 'unpark':
      return store.unpark(one.target, one.limit);
    case 'cancel':
      return store.cancel(one);
    case 'redeliver':
      return store.redeliver(one);
    case 'redrive':
      return store.redrive(one, one.newJobId);
    case 'claimDeliveries':
      return store.claimDeliveries(one.limit, 5_000);
    case 'sweep':
      return store.sweep();
    case 'look':
      return look(store);
    case 'advance':
      return Promise.resolve();
  }
}

/** Everything that can be seen of a store. */
async function look(store: JobStore): Promise<unknown> {
  const seen: unknown[] = [await store.depth(), await store.oldest(), await parkedTargets(store)];
  for (const tenant of tenants) {
    seen.push(await store.list(tenant, {}, 3, ''), await store.list(tenant, { states: ['QUEUED'] }, 100, ''));
    for (const jobId of jobIds) {
      const ref = { tenant, jobId };
      seen.push(await store.get(ref), await store.events(ref, 0), await store.result(ref));
      seen.push(await store.resultChunk(ref, 0));
    }
  }
  return seen;
}

async function promisesHold(store: JobStore): Promise<void> {
  for (const tenant of tenants) {
    for (const jobId of jobIds) {
      const record = await store.get({ tenant, jobId });
      const events = await store.events({ tenant, jobId }, 0);
      if (record && events) eventsKeepPromises(record.idempotent, record.maxAttempts, events);
    }
  }
}

function eventsKeepPromises(idempotent: boolean, maxAttempts: number, events: readonly JobEvent[]): void {
  const ends = events.findIndex(({ state }) => hasEnded(state));
  assert.ok(ends === -1 || ends === events.length - 1, 'a job ends once');
  same(
    events.map(({ sequence }) => sequence),
    events.map((_, i) => i + 1),
  );
  const sent = new Set(events.filter(({ state }) => state === 'DISPATCHED').map(({ attempt }) => attempt)).size;
  const mayHaveLeft = events.filter(
    (event) => event.state === 'RETRY_WAIT' && event.failure?.execution !== 'NOT_STARTED',
  );
  assert.ok(sent <= maxAttempts, 'no more attempts than allowed');
  assert.ok(idempotent || mayHaveLeft.length === 0, 'what may have left is not sent twice');
}
