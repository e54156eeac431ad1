// The one place where a job enters and leaves a state: counters, alarms, turns and events change here, in one step with
// the state itself. Whether a change is allowed, the ledger has asked before.
import type { AttemptEnd, EndState, Failure, JobState } from '../job.ts';
import { type JobSettings, jobLimits } from '../job-limits.ts';
import type { JobChange } from '../job-store.ts';
import { ofAllAttempts } from './outcome.ts';
import type { Shelf, StoredJob } from './shelf.ts';

export class JobLife {
  readonly #shelf: Shelf;
  readonly #settings: JobSettings;
  readonly #tell: (change: JobChange) => void;

  constructor(shelf: Shelf, settings: JobSettings, tell: (change: JobChange) => void) {
    this.#shelf = shelf;
    this.#settings = settings;
    this.#tell = tell;
  }

  begin(job: StoredJob, now: number): void {
    this.#shelf.add(openCounter(job.tenant), 1);
    this.#shelf.add(stateCounter(job), 1);
    this.#wait(job, job.readyAt, now);
    job.sequence = 1;
    this.#shelf.insert(job);
    this.#tellOf(job, now);
  }

  /** Back to the queue; an event only when an attempt lies behind it. */
  wait(job: StoredJob, state: 'QUEUED' | 'RETRY_WAIT', readyAt: number, now: number): void {
    this.#leave(job);
    this.#enter(job, state);
    this.#wait(job, readyAt, now);
    if (state === 'RETRY_WAIT') this.#happened(job, now);
    this.#shelf.update(job);
  }

  /** Its time has come. */
  promote(job: StoredJob): void {
    delete job.alarms.ready;
    this.#makeReady(job);
    this.#shelf.update(job);
  }

  park(job: StoredJob, target: string): void {
    this.#leave(job);
    this.#enter(job, 'QUEUED');
    job.parkedUnder = target;
    job.alarms.expiry = job.expiresAt;
    this.#shelf.add(parkedCounter(target), 1);
    this.#shelf.update(job);
  }

  unpark(job: StoredJob): void {
    this.#unpark(job);
    this.#makeReady(job);
    this.#shelf.update(job);
  }

  lease(job: StoredJob, podId: string, until: number): void {
    this.#leave(job);
    this.#enter(job, 'LEASED');
    job.epoch += 1;
    job.owner = podId;
    job.alarms.lease = until;
    this.#shelf.update(job);
  }

  renew(job: StoredJob, until: number): void {
    job.alarms.lease = until;
    this.#shelf.update(job);
  }

  dispatch(job: StoredJob, exitId: string, now: number): void {
    this.#enter(job, 'DISPATCHED');
    job.attempt += 1;
    job.exitId = exitId;
    job.sentAt = now;
    job.failure = null;
    this.#markTold(job, now);
    this.#shelf.update(job);
  }

  /** The mark was wrong: nothing was sent. */
  takeBack(job: StoredJob, readyAt: number, now: number): void {
    this.#leave(job);
    this.#enter(job, 'QUEUED');
    job.attempt -= 1;
    this.#wait(job, readyAt, now);
    this.#markTold(job, now);
    job.takenBack += 1;
    this.#shelf.update(job);
  }

  run(job: StoredJob, now: number): void {
    this.#enter(job, 'RUNNING');
    this.#happened(job, now);
    this.#shelf.update(job);
  }

  attemptEnded(job: StoredJob, end: AttemptEnd): void {
    job.attempts = [...job.attempts, end];
  }

  /** `by`: the epoch of the holder that ends it. */
  end(job: StoredJob, state: EndState, failure: Failure | null, now: number, by = 0): void {
    this.#leave(job);
    this.#enter(job, state);
    job.endedBy = by;
    job.endedAt = now;
    job.failure = failure && ofAllAttempts(failure, job.attempts);
    job.alarms.removal = Math.max(now + job.keepMs, job.keyUntil);
    if (job.result) job.alarms.result = job.result.availableUntil;
    else this.#shelf.dropBytes(job, 'body/');
    if (job.callback) this.deliver(job, now);
    this.#shelf.add(openCounter(job.tenant), -1);
    this.#happened(job, now);
    this.#shelf.update(job);
  }

  expire(job: StoredJob, now: number): void {
    this.end(job, 'EXPIRED', { code: 'EXPIRED_IN_QUEUE', detail: '', execution: 'NOT_STARTED' }, now);
  }

  /** Begins the deliveries of the callback, anew when there were some. */
  deliver(job: StoredJob, now: number): void {
    job.callback = { state: 'PENDING', tries: 0, dueAt: now, last: '' };
    job.alarms.delivery = now;
  }

  dropResult(job: StoredJob): void {
    job.result = null;
    delete job.alarms.result;
    this.#shelf.dropBytes(job, 'meta');
    this.#shelf.dropBytes(job, 'body/');
    this.#shelf.update(job);
  }

  remove(job: StoredJob): void {
    this.#shelf.add(stateCounter(job), -1);
    this.#shelf.remove(job);
  }

  #wait(job: StoredJob, readyAt: number, now: number): void {
    job.readyAt = readyAt;
    job.alarms.expiry = job.expiresAt;
    if (readyAt > now) job.alarms.ready = readyAt;
    else this.#makeReady(job);
  }

  #makeReady(job: StoredJob): void {
    job.ready = true;
    const { tenant } = job;
    if (this.#shelf.hasTurn(tenant)) return;
    this.#shelf.putTurn({ tenant, at: this.#shelf.next('turn'), left: this.#settings.tenantBatch });
  }

  #leave(job: StoredJob): void {
    job.ready = false;
    delete job.alarms.ready;
    delete job.alarms.expiry;
    delete job.alarms.lease;
    if (job.parkedUnder !== '') this.#unpark(job);
  }

  #unpark(job: StoredJob): void {
    this.#shelf.add(parkedCounter(job.parkedUnder), -1);
    job.parkedUnder = '';
  }

  /** Bounds the events of a job that is marked and taken back again and again. */
  #markTold(job: StoredJob, now: number): void {
    if (job.takenBack < jobLimits.maxTakenBackTold) this.#happened(job, now);
  }

  #enter(job: StoredJob, state: JobState): void {
    this.#shelf.add(stateCounter(job), -1);
    job.state = state;
    this.#shelf.add(stateCounter(job), 1);
  }

  #happened(job: StoredJob, now: number): void {
    job.sequence += 1;
    this.#tellOf(job, now);
  }

  #tellOf(job: StoredJob, at: number): void {
    const { tenant, jobId, state, sequence, attempt, exitId, failure } = job;
    this.#shelf.addEvent(job, { sequence, at, state, attempt, exitId, failure });
    this.#tell({ tenant, jobId, state });
  }
}

export function openCounter(tenant: string): string {
  return `open/${tenant}`;
}

export function parkedCounter(target: string): string {
  return `parked/${target}`;
}

function stateCounter({ state, priority }: StoredJob): string {
  return `state/${state}/${priority}`;
}
