// A clock that moves only when a test says so. Timers fire in the order of their due time.
import type { CancelTimer, Clock } from './clock.ts';

interface Timer {
  dueMs: number;
  fn: () => void;
}

export class ManualClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(ms: number, fn: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + ms, fn };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** How many timers wait: a test of clean-up asks for 0. */
  get pending(): number {
    return this.#timers.size;
  }

  /** Moves time forward and lets promise reactions run after every timer. */
  async advance(ms: number): Promise<void> {
    const end = this.#nowMs + ms;
    for (let next = this.#nextDue(end); next; next = this.#nextDue(end)) {
      this.#timers.delete(next);
      this.#nowMs = next.dueMs;
      next.fn();
      await settle();
    }
    this.#nowMs = end;
    await settle();
  }

  #nextDue(end: number): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= end && (!first || timer.dueMs < first.dueMs)) first = timer;
    }
    return first;
  }
}

/** Lets every promise reaction that is ready run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
