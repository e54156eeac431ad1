// A job that this pod holds: the right to run one attempt, for as long as its lease lasts. What must be recorded is
// said to the store again and again until it has answered; every step is safe to repeat.
import { fullJitterMs } from '../../kit/backoff.ts';
import { type Clock, type Random, sleep } from '../../kit/clock.ts';
import type { ClaimedJob, Held, JobStore, Lease } from '../jobs/job-store.ts';
import { StoreFault } from '../jobs/job-store.ts';
import { queueLimits } from './queue-limits.ts';

export interface HeldMeans {
  readonly store: JobStore;
  readonly clock: Clock;
  readonly random: Random;
}

export class HeldJob {
  readonly claimed: ClaimedJob;
  readonly #means: HeldMeans;
  readonly #lost = new AbortController();
  readonly #over = new AbortController();
  #renewedAt: number;

  constructor(claimed: ClaimedJob, means: HeldMeans) {
    this.claimed = claimed;
    this.#means = means;
    this.#renewedAt = means.clock.now();
  }

  /** Aborts when the attempt must end: the job is lost, or its pod goes away. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  get lease(): Lease {
    return this.claimed.lease;
  }

  /** Aborts when the job is no longer this pod's: cancelled, ended, or its lease is over. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  lose(): void {
    this.#lost.abort();
    this.#over.abort();
  }

  /** The pod goes away: the attempt ends, and the store is told of it. */
  abandon(): void {
    this.#over.abort();
  }

  renewed(): void {
    this.#renewedAt = this.#means.clock.now();
  }

  /** By this pod's own clock, which does not wait for the store. */
  get isOverdue(): boolean {
    return this.#means.clock.now() - this.#renewedAt >= queueLimits.leaseMs;
  }

  /** Takes one step in the store; `lost` when the job is no longer this pod's, or nobody can tell any more. */
  async record<R extends string>(step: (store: JobStore, lease: Lease) => Promise<Held | R>): Promise<Held | R> {
    const { store, clock, random } = this.#means;
    for (let tries = 0; !this.lost.aborted; tries++) {
      try {
        const held = await step(store, this.lease);
        if (held === 'lost') this.lose();
        return held;
      } catch (error) {
        if (!isPassing(error)) throw error;
      }
      const pauseMs = fullJitterMs(tries, queueLimits.minStorePauseMs, queueLimits.maxStorePauseMs, random);
      await sleep(clock, pauseMs, this.lost).catch(() => {});
    }
    return 'lost';
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof StoreFault && error.code !== 'REQUEST_TOO_LARGE';
}
