// The changes of a job as they come: what the store has recorded is the truth, its hints say when to look, and a look
// every few seconds makes up for a hint that was lost. One subscription serves every watch of the pod.
import type { Clock } from '../../../kit/clock.ts';
import { hasEnded, type JobEvent, type JobRef } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { asStoreFailure } from './store-failure.ts';

export interface JobChangesOptions {
  readonly store: JobStore;
  readonly clock: Clock;
}

interface Hint {
  /** Kept when there may be something to see, or nothing to wait for. */
  readonly came: Promise<void>;
  readonly stop: () => void;
}

/** Without a hint for so long, the store is asked anyway. */
const pollMs = 2_000;
/** Looks in a row that the store may leave without an answer. */
const maxMisses = 5;
const nothing: readonly JobEvent[] = [];

export class JobChanges {
  readonly #store: JobStore;
  readonly #clock: Clock;
  readonly #waiting = new Map<string, Set<() => void>>();
  readonly #listeners = new Map<string, Set<(jobId: string) => void>>();
  #unfollow: () => void = () => {};

  constructor({ store, clock }: JobChangesOptions) {
    this.#store = store;
    this.#clock = clock;
  }

  start(): void {
    this.#unfollow = this.#store.follow(({ tenant, jobId }) => {
      for (const wake of this.#waiting.get(jobId) ?? []) wake();
      for (const listener of this.#listeners.get(tenant) ?? []) listener(jobId);
    });
  }

  stop(): void {
    this.#unfollow();
  }

  /** Hears of any job of the tenant that may have changed: hints, as the store gives them. The returned function ends it. */
  hear(tenant: string, listener: (jobId: string) => void): () => void {
    const listeners = this.#listeners.get(tenant) ?? new Set();
    this.#listeners.set(tenant, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0 && this.#listeners.get(tenant) === listeners) this.#listeners.delete(tenant);
    };
  }

  /** What came after the sequence, as it comes; ends with the job, its removal or the signal. Fails with a JobFailure. */
  async *after(ref: JobRef, sequence: number, signal: AbortSignal): AsyncGenerator<JobEvent, void, undefined> {
    let seen = sequence;
    let misses = 0;
    const look = async () => {
      try {
        const events = await this.#store.events(ref, seen);
        misses = 0;
        return events;
      } catch (error) {
        const failure = asStoreFailure(error);
        if (failure.code !== 'STORE_UNAVAILABLE' || ++misses > maxMisses) throw failure;
        return nothing;
      }
    };
    while (!signal.aborted) {
      // Listening before looking: a change between the two is not missed.
      const hint = this.#listen(ref.jobId, signal);
      try {
        const events = await look();
        if (!events) return;
        for (const event of events) {
          yield event;
          if (hasEnded(event.state)) return;
          seen = event.sequence;
        }
        if (events.length === 0) await hint.came;
      } finally {
        hint.stop();
      }
    }
  }

  #listen(jobId: string, signal: AbortSignal): Hint {
    const { promise: came, resolve } = Promise.withResolvers<void>();
    const wakes = this.#waiting.get(jobId) ?? new Set();
    this.#waiting.set(jobId, wakes.add(resolve));
    const cancelPoll = this.#clock.after(pollMs, resolve);
    const wake = () => resolve();
    signal.addEventListener('abort', wake, { once: true });
    const stop = () => {
      cancelPoll();
      signal.removeEventListener('abort', wake);
      wakes.delete(resolve);
      if (wakes.size === 0 && this.#waiting.get(jobId) === wakes) this.#waiting.delete(jobId);
    };
    return { came, stop };
  }
}
