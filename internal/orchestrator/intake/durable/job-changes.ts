// The changes of a job as they come: what the store has recorded is the truth, its hints say when to look, and a look
// every few seconds makes up for a hint that was lost. One subscription serves every watch of the pod.
import type { CancelTimer, Clock } from '../../../kit/clock.ts';
import { hasEnded, type JobEvent, type JobRef } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { asStoreFailure } from './store-failure.ts';

export interface JobChangesOptions {
  readonly store: JobStore;
  readonly clock: Clock;
  /** Without a hint for so long, the store is asked anyway. */
  readonly pollMs?: number;
}

type Wake = () => void;

const defaultPollMs = 2_000;

export class JobChanges {
  readonly #store: JobStore;
  readonly #clock: Clock;
  readonly #pollMs: number;
  readonly #waiting = new Map<string, Set<Wake>>();
  #unfollow: (() => void) | undefined;

  constructor({ store, clock, pollMs = defaultPollMs }: JobChangesOptions) {
    this.#store = store;
    this.#clock = clock;
    this.#pollMs = pollMs;
  }

  start(): void {
    this.#unfollow = this.#store.follow(({ jobId }) => {
      for (const wake of this.#waiting.get(jobId) ?? []) wake();
    });
  }

  stop(): void {
    this.#unfollow?.();
  }

  /** What came after the sequence, as it comes; ends with the job or the signal. Undefined once: there is no such job. */
  async *after(
    ref: JobRef,
    sequence: number,
    signal: AbortSignal,
  ): AsyncGenerator<readonly JobEvent[] | undefined, void, undefined> {
    let seen = sequence;
    while (!signal.aborted) {
      // Listening before looking: a change between the two is not missed.
      const changed = this.#nextHint(ref.jobId, signal);
      const events = await this.#events(ref, seen).catch((error: unknown) => {
        changed.stop();
        throw error;
      });
      const last = events?.at(-1);
      if (!last && events && (await this.#isOver(ref))) return changed.stop();
      if (!events || last) {
        changed.stop();
        yield events;
      }
      if (!events || (last && hasEnded(last.state))) return;
      if (last) seen = last.sequence;
      else await changed.hint;
    }
  }

  async #events(ref: JobRef, after: number): Promise<readonly JobEvent[] | undefined> {
    try {
      return await this.#store.events(ref, after);
    } catch (error) {
      throw asStoreFailure(error);
    }
  }

  /** A watch that resumes after the last change ends at once. */
  async #isOver(ref: JobRef): Promise<boolean> {
    const record = await this.#store.get(ref);
    return !record || hasEnded(record.state);
  }

  #nextHint(jobId: string, signal: AbortSignal): { readonly hint: Promise<void>; readonly stop: () => void } {
    const { promise: hint, resolve } = Promise.withResolvers<void>();
    const wakes = this.#waiting.get(jobId) ?? new Set<Wake>();
    this.#waiting.set(jobId, wakes);
    const cancelPoll: CancelTimer = this.#clock.after(this.#pollMs, () => stop());
    const stop = (): void => {
      cancelPoll();
      signal.removeEventListener('abort', stop);
      wakes.delete(stop);
      if (wakes.size === 0 && this.#waiting.get(jobId) === wakes) this.#waiting.delete(jobId);
      resolve();
    };
    wakes.add(stop);
    signal.addEventListener('abort', stop, { once: true });
    return { hint, stop };
  }
}
