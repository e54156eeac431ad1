// The rules of durable jobs over a shelf: who may do what to a job, and what comes of it. Each operation is synchronous
// and changes either everything that belongs to it or nothing, as the shelf's transaction has it.
import { type Failure, hasEnded, type JobRef, type JobState, type NewJob } from '../job.ts';
import { type JobSettings, jobLimits } from '../job-limits.ts';
import type {
  Cancelled,
  Claim,
  ClaimedJob,
  DeliveryOutcome,
  Ending,
  Held,
  JobChange,
  JobStore,
  Lease,
  ListFilter,
  ParkedPage,
  Redriven,
  Retry,
  Submitted,
  Swept,
} from '../job-store.ts';
import { assertBounded, assertChunk, assertMeta } from './bounds.ts';
import { Deliveries } from './deliveries.ts';
import { JobLife, openCounter, parkedCounter } from './life.ts';
import { newJob, redrivenJob } from './new-job.ts';
import { abandoned } from './outcome.ts';
import { Reader } from './reader.ts';
import { toRecord } from './record.ts';
import type { Shelf, StoredJob } from './shelf.ts';
import { sweep } from './sweep.ts';

/** The operations of a store, without the waiting. */
export type JobOperations = {
  readonly [K in keyof Omit<JobStore, 'follow' | 'close'>]: (
    ...args: Parameters<JobStore[K]>
  ) => Awaited<ReturnType<JobStore[K]>>;
};

export interface LedgerParts {
  readonly shelf: Shelf;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly settings: JobSettings;
  readonly tell: (change: JobChange) => void;
}

const heldStates: readonly JobState[] = ['LEASED', 'DISPATCHED', 'RUNNING'];
const sentStates: readonly JobState[] = ['DISPATCHED', 'RUNNING'];

export class Ledger implements JobOperations {
  readonly #shelf: Shelf;
  readonly #now: () => number;
  readonly #settings: JobSettings;
  readonly #life: JobLife;
  readonly #reader: Reader;
  readonly #deliveries: Deliveries;

  constructor({ shelf, now, settings, tell }: LedgerParts) {
    this.#shelf = shelf;
    this.#now = now;
    this.#settings = settings;
    this.#life = new JobLife(shelf, settings, tell);
    this.#reader = new Reader(shelf, now);
    this.#deliveries = new Deliveries(shelf, this.#life, now);
  }

  submit(given: NewJob): Submitted {
    assertBounded(given);
    const now = this.#now();
    const { tenant, jobId, key } = given;
    const known = this.#shelf.byId(tenant, jobId);
    if (known) return { kind: 'same', job: toRecord(known) };
    const holder = key && this.#shelf.byKey(tenant, key.key);
    if (holder && holder.keyUntil > now) return sameOrConflict(holder, key.fingerprint);
    const open = this.#shelf.count(openCounter(tenant));
    if (open >= this.#settings.maxOpenPerTenant) return { kind: 'queue-full', open };
    const job = newJob(given, this.#shelf.next('job'), now);
    this.#begin(job, given.spec, given.callback, now);
    return { kind: 'created', job: toRecord(job) };
  }

  claim({ podId, limit, leaseMs }: Claim): ClaimedJob[] {
    const now = this.#now();
    for (const job of this.#shelf.due('ready', now, jobLimits.maxSwept)) this.#life.promote(job);
    const claimed: ClaimedJob[] = [];
    const wanted = Math.min(limit, jobLimits.maxClaimed);
    for (let looked = 0; claimed.length < wanted && looked < wanted + jobLimits.maxSwept; looked++) {
      const turn = this.#shelf.firstTurn();
      if (!turn) break;
      const job = this.#shelf.firstReady(turn.tenant);
      if (!job) this.#shelf.endTurn(turn.tenant);
      else if (job.expiresAt <= now) this.#life.expire(job, now);
      else {
        this.#life.lease(job, podId, now + leaseMs);
        this.#spend(turn.tenant, turn.at, turn.left - 1);
        claimed.push(this.#claimed(job));
      }
    }
    return claimed;
  }

  renew(leases: readonly Lease[], leaseMs: number): Lease[] {
    const until = this.#now() + leaseMs;
    return leases.filter((lease) => {
      const job = this.#held(lease, heldStates);
      if (job) this.#life.renew(job, until);
      return !job;
    });
  }

  release(lease: Lease, delayMs: number): Held {
    const job = this.#held(lease, ['LEASED', 'DISPATCHED']);
    if (!job) return heldIf(this.#leased(lease, ['QUEUED']));
    const now = this.#now();
    if (job.state === 'LEASED') this.#life.wait(job, 'QUEUED', now + delayMs, now);
    else this.#life.takeBack(job, now + delayMs, now);
    return 'ok';
  }

  park(lease: Lease, target: string): Held | 'full' {
    const job = this.#held(lease, ['LEASED']);
    if (!job) return heldIf(this.#leased(lease, ['QUEUED']));
    if (this.#shelf.count(parkedCounter(target)) >= this.#settings.maxParkedPerTarget) return 'full';
    this.#life.park(job, target);
    return 'ok';
  }

  unpark(target: string, limit: number): number {
    const jobs = this.#shelf.parked(target, Math.min(limit, jobLimits.maxSwept));
    for (const job of jobs) this.#life.unpark(job);
    return jobs.length;
  }

  parkedTargets(limit: number, cursor: string): ParkedPage {
    const wanted = Math.min(limit, jobLimits.maxParkedTargetsListed);
    const counters = this.#shelf.counters(parkedCounter(''), cursor, wanted);
    const targets = counters.map(({ name, value }) => ({ target: name, jobs: value }));
    return { targets, next: targets.length < wanted ? '' : (targets.at(-1)?.target ?? '') };
  }

  dispatched(lease: Lease, exitId: string): Held {
    const sent = this.#held(lease, sentStates);
    if (sent) return 'ok';
    const job = this.#held(lease, ['LEASED']);
    if (!job) return 'lost';
    this.#life.dispatch(job, exitId, this.#now());
    return 'ok';
  }

  running(lease: Lease): Held {
    const job = this.#held(lease, sentStates);
    if (job?.state === 'DISPATCHED') this.#life.run(job, this.#now());
    return heldIf(job);
  }

  putChunk(lease: Lease, index: number, bytes: Uint8Array): Held {
    assertChunk(index, bytes);
    const job = this.#held(lease, sentStates);
    if (job) this.#shelf.putBytes(job, `body/${lease.epoch}/${index}`, bytes);
    return heldIf(job);
  }

  finish(lease: Lease, ending: Ending): Held {
    if (ending.state === 'SUCCEEDED') assertMeta(ending.meta);
    const job = this.#held(lease, ending.state === 'SUCCEEDED' ? sentStates : heldStates);
    if (!job) return heldIf(this.#endedBy(lease, ending.state));
    const now = this.#now();
    if (ending.attempt) this.#life.attemptEnded(job, ending.attempt);
    if (ending.state !== 'SUCCEEDED') this.#life.end(job, ending.state, ending.failure, now, lease.epoch);
    else {
      const { bodyBytes, chunks } = ending;
      job.result = { bodyBytes, chunks, availableUntil: now + job.resultTtlMs };
      this.#shelf.putBytes(job, 'meta', ending.meta);
      this.#life.end(job, 'SUCCEEDED', null, now, lease.epoch);
    }
    return 'ok';
  }

  retry(lease: Lease, { delayMs, attempt }: Retry): Held | 'ended' {
    const job = this.#held(lease, sentStates);
    if (!job) return this.#retried(lease);
    const now = this.#now();
    this.#life.attemptEnded(job, attempt);
    return this.#again(job, attempt.failure, now + delayMs, now, lease.epoch) ? 'ok' : 'ended';
  }

  cancel(ref: JobRef): Cancelled {
    const job = this.#find(ref);
    if (!job) return { kind: 'not-found' };
    if (hasEnded(job.state)) return { kind: 'ended', job: toRecord(job) };
    const now = this.#now();
    if (sentStates.includes(job.state)) this.#life.attemptEnded(job, abandoned(job, now, 'CANCELLED', ''));
    this.#life.end(job, 'CANCELLED', { code: 'CANCELLED', detail: '', execution: 'NOT_STARTED' }, now);
    return { kind: 'cancelled', job: toRecord(job) };
  }

  redrive(ref: JobRef, newJobId: string): Redriven {
    const job = this.#find(ref);
    if (!job) return { kind: 'not-found' };
    if (!hasEnded(job.state) || job.state === 'SUCCEEDED') return { kind: 'not-redrivable' };
    const { tenant } = job;
    const known = this.#shelf.byId(tenant, job.redrivenAs || newJobId);
    if (known) return { kind: 'same', job: toRecord(known) };
    const open = this.#shelf.count(openCounter(tenant));
    if (open >= this.#settings.maxOpenPerTenant) return { kind: 'queue-full', open };
    const now = this.#now();
    const redriven = redrivenJob(job, newJobId, this.#shelf.next('job'), now);
    this.#begin(redriven, this.#spec(job), this.#shelf.bytes(job, 'callback'), now);
    job.redrivenAs = newJobId;
    this.#shelf.update(job);
    return { kind: 'created', job: toRecord(redriven) };
  }

  sweep(): Swept {
    return sweep(this.#shelf, this.#life, this.#now(), (job, failure, now) => this.#again(job, failure, now, now));
  }

  get(ref: JobRef) {
    return this.#reader.get(ref);
  }

  list(tenant: string, filter: ListFilter, limit: number, cursor: string) {
    return this.#reader.list(tenant, filter, limit, cursor);
  }

  events(ref: JobRef, after: number) {
    return this.#reader.events(ref, after);
  }

  result(ref: JobRef) {
    return this.#reader.result(ref);
  }

  resultChunk(ref: JobRef, index: number) {
    return this.#reader.resultChunk(ref, index);
  }

  depth() {
    return this.#reader.depth();
  }

  oldest() {
    return this.#reader.oldest();
  }

  claimDeliveries(limit: number, leaseMs: number) {
    return this.#deliveries.claim(limit, leaseMs);
  }

  recordDelivery(delivery: JobRef & { readonly fence: number }, outcome: DeliveryOutcome): Held {
    return this.#deliveries.record(delivery, outcome);
  }

  redeliver(ref: JobRef) {
    return this.#deliveries.again(ref);
  }

  #begin(job: StoredJob, spec: Uint8Array, callback: Uint8Array | undefined, now: number): void {
    this.#life.begin(job, now);
    this.#shelf.putBytes(job, 'spec', spec);
    if (callback) this.#shelf.putBytes(job, 'callback', callback);
  }

  #spend(tenant: string, at: number, left: number): void {
    if (left > 0) this.#shelf.putTurn({ tenant, at, left });
    else this.#shelf.putTurn({ tenant, at: this.#shelf.next('turn'), left: this.#settings.tenantBatch });
  }

  #claimed(job: StoredJob): ClaimedJob {
    const { tenant, jobId, epoch, attempt } = job;
    return { lease: { tenant, jobId, epoch, attempt: attempt + 1 }, spec: this.#spec(job), job: toRecord(job) };
  }

  #spec(job: StoredJob): Uint8Array {
    return this.#shelf.bytes(job, 'spec') ?? new Uint8Array();
  }

  #find({ tenant, jobId }: JobRef): StoredJob | undefined {
    return this.#shelf.byId(tenant, jobId);
  }

  /** The job, when it is in one of the states by this lease and nobody claimed it since. */
  #leased(lease: Lease, states: readonly JobState[]): StoredJob | undefined {
    const job = this.#find(lease);
    return job && job.epoch === lease.epoch && states.includes(job.state) ? job : undefined;
  }

  #held(lease: Lease, states: readonly JobState[]): StoredJob | undefined {
    const job = this.#leased(lease, states);
    if (!job) return undefined;
    const attempt = job.state === 'LEASED' ? job.attempt + 1 : job.attempt;
    return attempt === lease.attempt ? job : undefined;
  }

  #endedBy(lease: Lease, state?: JobState): StoredJob | undefined {
    const job = this.#find(lease);
    if (job?.endedBy !== lease.epoch) return undefined;
    return state === undefined || job.state === state ? job : undefined;
  }

  #retried(lease: Lease): Held | 'ended' {
    const waiting = this.#leased(lease, ['RETRY_WAIT']);
    if (waiting?.attempt === lease.attempt) return 'ok';
    return this.#endedBy(lease) ? 'ended' : 'lost';
  }

  /** Another attempt, unless none is left or what may have been sent must not be sent twice. */
  #again(job: StoredJob, failure: Failure, readyAt: number, now: number, by = 0): boolean {
    if (failure.execution !== 'NOT_STARTED' && !job.idempotent) {
      const { detail } = failure;
      this.#life.end(job, 'OUTCOME_UNKNOWN', { code: 'OUTCOME_UNKNOWN', detail, execution: 'POSSIBLE' }, now, by);
    } else if (job.attempt >= job.maxAttempts) this.#life.end(job, 'DEAD', failure, now, by);
    else {
      job.failure = failure;
      this.#shelf.dropBytes(job, 'body/');
      this.#life.wait(job, 'RETRY_WAIT', readyAt, now);
      return true;
    }
    return false;
  }
}

function sameOrConflict(holder: StoredJob, fingerprint: string): Submitted {
  if (holder.fingerprint === fingerprint) return { kind: 'same', job: toRecord(holder) };
  return { kind: 'conflict', jobId: holder.jobId };
}

function heldIf(job: StoredJob | undefined): Held {
  return job ? 'ok' : 'lost';
}
