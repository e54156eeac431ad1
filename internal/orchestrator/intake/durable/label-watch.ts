// Every change of every job of a tenant that has a label, as it comes. A hint says where to look: a job that is followed
// is looked at by itself, and any other may be a new one, which a list of the newest jobs tells. Every few seconds both
// are done anyway, for hints that were lost.
import { type Clock, sleep } from '../../../kit/clock.ts';
import { JobFailure } from '../../failure/failures.ts';
import { hasEnded, type JobEvent, type JobRecord } from '../../jobs/job.ts';
import { jobLimits } from '../../jobs/job-limits.ts';
import type { JobStore, ListFilter } from '../../jobs/job-store.ts';
import { durableBounds } from './durable-bounds.ts';
import type { JobChanges } from './job-changes.ts';
import { asStoreFailure } from './store-failure.ts';

export type WatchStart =
  | { readonly kind: 'now' | 'present' }
  /** From this time on, by the store's clock. */
  | { readonly kind: 'cursor'; readonly at: number };

export interface LabelWatchOptions {
  readonly store: JobStore;
  readonly changes: Pick<JobChanges, 'hear'>;
  readonly clock: Clock;
  readonly tenant: string;
  readonly label: NonNullable<ListFilter['label']>;
  readonly start: WatchStart;
  readonly signal: AbortSignal;
}

type LabelNews =
  | { readonly kind: 'present'; readonly job: JobRecord }
  | { readonly kind: 'change'; readonly jobId: string; readonly event: JobEvent }
  /** What there was at the start has been told. */
  | { readonly kind: 'synced' };
/** `cursor`: what came before this time has been told. */
export type Told = LabelNews & { readonly cursor: number };

interface Followed {
  readonly createdAt: number;
  /** Sequence of the newest change that was told, or passed over. */
  seen: number;
  hasEnded: boolean;
}

/** Without a hint for so long, everything is looked at anyway. */
const roundMs = 10_000;
/** Jobs without the label may come fast: a list is asked for no oftener than this. */
const minListMs = 200;
const maxPages = 50;
/** Times in a row that the store may leave a question without an answer, and the pause after each. */
const maxMisses = 5;
const missPauseMs = 2_000;

export class LabelWatch {
  readonly #options: LabelWatchOptions;
  readonly #jobs = new Map<string, Followed>();
  readonly #hinted = new Set<string>();
  #open = 0;
  #cursor = 0;
  /** Of the newest change that was told. */
  #toldAt = 0;
  /** All jobs that were created before this are known. */
  #knownUntil = 0;
  #mayHaveNew = false;
  #listedAt = 0;
  #roundAt = 0;
  #wake = () => {};

  constructor(options: LabelWatchOptions) {
    this.#options = options;
  }

  /** Until the signal aborts. Fails with a JobFailure. */
  async *told(): AsyncGenerator<Told, void, undefined> {
    const { changes, tenant, signal } = this.#options;
    const stopHearing = changes.hear(tenant, (jobId) => this.#hear(jobId));
    try {
      yield* this.#begin();
      yield { kind: 'synced', cursor: this.#cursor };
      while (!signal.aborted) {
        yield* this.#lookAround();
        await this.#quiet();
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      stopHearing();
    }
  }

  #hear(jobId: string): void {
    const job = this.#jobs.get(jobId);
    if (job?.hasEnded || this.#hinted.has(jobId) || (!job && this.#mayHaveNew)) return;
    if (job) this.#hinted.add(jobId);
    else this.#mayHaveNew = true;
    this.#wake();
  }

  async *#begin(): AsyncGenerator<Told, void, undefined> {
    const { start, clock } = this.#options;
    const since = start.kind === 'cursor' ? start.at : 0;
    const newest = await this.#newest();
    this.#cursor = since;
    for await (const job of this.#labelled(0)) {
      if (start.kind === 'present') yield { kind: 'present', job, cursor: this.#cursor };
      if (start.kind === 'cursor' && (job.endedAt ?? since) >= since) yield* this.#follow(job, 0, since);
      else if (!hasEnded(job.state)) this.#add(job, job.sequence);
    }
    this.#knownUntil = newest;
    this.#cursor = Math.max(since, newest);
    this.#listedAt = clock.now();
    // What was hinted at in the meantime may be of jobs that were only then followed.
    this.#roundAt = this.#mayHaveNew ? clock.now() - roundMs : clock.now();
  }

  async *#lookAround(): AsyncGenerator<Told, void, undefined> {
    const hinted = [...this.#hinted];
    this.#hinted.clear();
    for (const jobId of hinted) yield* this.#look(jobId, 0);
    if (this.#dueInMs() > 0) return;
    const isRound = this.#options.clock.now() >= this.#roundAt + roundMs;
    const toldAt = this.#toldAt;
    yield* this.#findNew();
    if (!isRound) return;
    for (const jobId of this.#jobs.keys()) yield* this.#look(jobId, 0);
    this.#forgetEnded();
    this.#cursor = Math.max(this.#cursor, toldAt, this.#knownUntil);
    this.#roundAt = this.#options.clock.now();
  }

  /** Whatever was created before the list was asked for is known after it. */
  async *#findNew(): AsyncGenerator<Told, void, undefined> {
    this.#mayHaveNew = false;
    this.#listedAt = this.#options.clock.now();
    const newest = await this.#newest();
    for await (const job of this.#labelled(this.#knownUntil))
      if (!this.#jobs.has(job.jobId)) yield* this.#follow(job, 0, 0);
    this.#knownUntil = Math.max(this.#knownUntil, newest);
  }

  async *#follow(job: JobRecord, seen: number, since: number): AsyncGenerator<Told, void, undefined> {
    this.#add(job, seen);
    yield* this.#look(job.jobId, since);
  }

  #add({ jobId, createdAt, state }: JobRecord, seen: number): void {
    if (!hasEnded(state) && this.#open >= durableBounds.maxWatched) throw tooMany();
    this.#jobs.set(jobId, { createdAt, seen, hasEnded: false });
    this.#open++;
  }

  /** Changes before `since` are passed over. */
  async *#look(jobId: string, since: number): AsyncGenerator<Told, void, undefined> {
    const { store, tenant, signal } = this.#options;
    const job = this.#jobs.get(jobId);
    while (job && !job.hasEnded && !signal.aborted) {
      const events = await this.#ask(() => store.events({ tenant, jobId }, job.seen));
      if (!events) {
        this.#end(job);
        return;
      }
      for (const event of events) {
        job.seen = event.sequence;
        this.#toldAt = Math.max(this.#toldAt, event.at);
        if (hasEnded(event.state)) this.#end(job);
        if (event.at >= since) yield { kind: 'change', jobId, event, cursor: this.#cursor };
      }
      if (events.length < jobLimits.maxEventsListed) return;
    }
  }

  #end(job: Followed): void {
    job.hasEnded = true;
    this.#open--;
  }

  /** No list shows them again as new. */
  #forgetEnded(): void {
    for (const [jobId, job] of this.#jobs)
      if (job.hasEnded && job.createdAt < this.#knownUntil) this.#jobs.delete(jobId);
  }

  /** When the tenant's newest job was created, whatever its labels; 0 when it has none. */
  async #newest(): Promise<number> {
    const { store, tenant } = this.#options;
    const { jobs } = await this.#ask(() => store.list(tenant, {}, 1, ''));
    return jobs[0]?.createdAt ?? 0;
  }

  async *#labelled(from: number): AsyncGenerator<JobRecord, void, undefined> {
    const { store, tenant, label, signal } = this.#options;
    let cursor = '';
    for (let pages = 0; pages < maxPages && !signal.aborted; pages++) {
      const { jobs, next } = await this.#ask(() => store.list(tenant, { label, from }, jobLimits.maxListed, cursor));
      yield* jobs;
      if (next === '') return;
      cursor = next;
    }
  }

  async #ask<T>(question: () => Promise<T>): Promise<T> {
    const { clock, signal } = this.#options;
    for (let misses = 0; ; misses++) {
      try {
        return await question();
      } catch (error) {
        const failure = asStoreFailure(error);
        if (failure.code !== 'STORE_UNAVAILABLE' || misses === maxMisses) throw failure;
      }
      await sleep(clock, missPauseMs, signal);
    }
  }

  #dueInMs(): number {
    const roundAt = this.#roundAt + roundMs;
    const dueAt = this.#mayHaveNew ? Math.min(roundAt, this.#listedAt + minListMs) : roundAt;
    return dueAt - this.#options.clock.now();
  }

  /** Until there is something to look at. */
  async #quiet(): Promise<void> {
    const { clock, signal } = this.#options;
    while (!signal.aborted && this.#hinted.size === 0 && this.#dueInMs() > 0) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      const cancel = clock.after(this.#dueInMs(), resolve);
      signal.addEventListener('abort', this.#wake, { once: true });
      await promise;
      signal.removeEventListener('abort', this.#wake);
      cancel();
    }
  }
}

function tooMany(): JobFailure {
  const detail = `More than ${durableBounds.maxWatched} jobs with the label are not over.`;
  return new JobFailure('QUOTA_EXCEEDED', { detail, field: 'labels' });
}
