// How long a job waits for anything: until its deadline has passed or its caller has left, and not a moment longer,
// whatever the thing waited for does. One timer and one listener per job.
import type { CancelTimer, Clock } from '../../kit/clock.ts';

export type Interruption = 'DEADLINE_EXCEEDED' | 'CANCELLED';

export class Patience {
  readonly #clock: Clock;
  readonly #deadlineAt: number;
  readonly #signal: AbortSignal;
  readonly #onInterrupt: (interruption: Interruption) => Error;
  #cancelDeadline: CancelTimer | undefined;
  /** Rejects what is waited for. */
  #giveUp: ((error: Error) => void) | undefined;
  #interruption: Error | undefined;

  /** `onInterrupt` is called at most once; what it returns is what waiting rejects with. */
  constructor(
    clock: Clock,
    deadlineAt: number,
    signal: AbortSignal,
    onInterrupt: (interruption: Interruption) => Error,
  ) {
    this.#clock = clock;
    this.#deadlineAt = deadlineAt;
    this.#signal = signal;
    this.#onInterrupt = onInterrupt;
  }

  /** What waiting rejects with from now on; undefined as long as there is time. */
  get interruption(): Error | undefined {
    return this.#interruption;
  }

  begin(): void {
    const leftMs = this.#deadlineAt - this.#clock.now();
    if (this.#signal.aborted) this.#interrupt('CANCELLED');
    else if (leftMs <= 0) this.#interrupt('DEADLINE_EXCEEDED');
    else {
      this.#cancelDeadline = this.#clock.after(Math.ceil(leftMs), () => this.#interrupt('DEADLINE_EXCEEDED'));
      this.#signal.addEventListener('abort', this.#onAbort);
    }
  }

  /** Releases timer and listener. */
  end(): void {
    this.#cancelDeadline?.();
    this.#signal.removeEventListener('abort', this.#onAbort);
  }

  /** One thing at a time. What interrupts while nothing is waited for is told by the next wait. */
  wait<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#giveUp = reject;
      if (this.#interruption) reject(this.#interruption);
      promise.then(resolve, reject);
    });
  }

  async pause(ms: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    const cancel = this.#clock.after(ms, over.resolve);
    try {
      await this.wait(over.promise);
    } finally {
      cancel();
    }
  }

  readonly #onAbort = (): void => this.#interrupt('CANCELLED');

  #interrupt(interruption: Interruption): void {
    this.end();
    this.#interruption = this.#onInterrupt(interruption);
    this.#giveUp?.(this.#interruption);
  }
}
