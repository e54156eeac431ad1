// How late the event loop is: a timer that looks how much after its time it fires. Readiness reads the newest samples,
// the metric gets every one of them, so that no stall falls between two scrapes.
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import type { Check } from '../../kit/health.ts';

const sampleMs = 200;
/** A stall counts until this many later samples were good: about a second. */
const remembered = 5;

export class LoopLag {
  readonly #clock: Clock;
  readonly #onSample: (lagMs: number) => void;
  readonly #recent = new Float64Array(remembered);
  #next = 0;
  #cancel: CancelTimer | undefined;

  constructor(clock: Clock, onSample: (lagMs: number) => void) {
    this.#clock = clock;
    this.#onSample = onSample;
  }

  /** The worst lag of about the last second. */
  get lagMs(): number {
    return Math.max(...this.#recent);
  }

  start(): void {
    const dueAt = this.#clock.now() + sampleMs;
    this.#cancel = this.#clock.after(sampleMs, () => {
      this.#take(Math.max(0, this.#clock.now() - dueAt));
      this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
  }

  #take(lagMs: number): void {
    this.#recent[this.#next] = lagMs;
    this.#next = (this.#next + 1) % remembered;
    this.#onSample(lagMs);
  }
}

export const maxReadyLagMs = 500;

/** A pod whose event loop stalls answers late whatever it is asked: others should get the work until it recovers. */
export function lagCheck(lag: { readonly lagMs: number }): Check {
  return () => (lag.lagMs > maxReadyLagMs ? `the event loop is more than ${maxReadyLagMs} ms late` : undefined);
}
