// When a watch ends although its caller still listens: the pod leaves, or the token that it was opened with is over. A job
// runs on past that, since it was let in while the token was good and ends by itself; a watch would never ask again.
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import { JobFailure } from '../failure/failures.ts';
import type { Caller } from './auth/caller.ts';
import { invalidToken } from './auth/token-callers.ts';
import type { CallContext } from './call.ts';

/** The longest that a timer of Node can be set to. */
const longestTimerMs = 2 ** 31 - 1;

export class Watches {
  readonly #clock: Clock;
  readonly #leaving = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What `open` tells until the caller goes away; fails with DRAINING or UNAUTHENTICATED. */
  async *during<T>(
    { caller, signal }: CallContext,
    open: (until: AbortSignal) => AsyncIterable<T>,
  ): AsyncGenerator<T, void, undefined> {
    const expired = new AbortController();
    const cancel = this.#atEnd(caller, () => expired.abort());
    try {
      yield* open(AbortSignal.any([signal, this.#leaving.signal, expired.signal]));
    } finally {
      cancel();
    }
    if (signal.aborted) return;
    if (this.#leaving.signal.aborted) throw new JobFailure('DRAINING');
    if (expired.signal.aborted) throw invalidToken('The token that the watch was opened with has expired.');
  }

  /** Whoever watches is sent to another pod. */
  end(): void {
    this.#leaving.abort();
  }

  #atEnd({ goodUntilMs }: Caller, end: () => void): CancelTimer {
    if (goodUntilMs === undefined) return () => {};
    let cancel: CancelTimer = () => {};
    const wait = () => {
      const leftMs = goodUntilMs - this.#clock.wallMs();
      if (leftMs <= 0) end();
      else cancel = this.#clock.after(Math.min(leftMs, longestTimerMs), wait);
    };
    wait();
    return () => cancel();
  }
}
