// Keeps retries of all jobs together below a fifth of the jobs, so that a fleet in trouble is not asked twice as much.
// A small reserve grows back with time: a lone job may always be tried again.
import type { Clock } from '../../kit/clock.ts';

/** Retries per job that begins. */
const share = 0.2;
/** What a quiet pod has for its first failures; grows back by one a second. */
const reserve = 10;
const reservePerMs = 1 / 1_000;
/** What a busy hour can save up for a bad minute. */
const most = 100;

export class RetryBudget {
  readonly #clock: Clock;
  #retries = reserve;
  #countedAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#countedAt = clock.now();
  }

  jobBegan(): void {
    this.#retries = Math.min(most, this.#retries + share);
  }

  /** Takes one retry; false when there is none left. */
  spend(): boolean {
    const now = this.#clock.now();
    const grown = this.#retries + (now - this.#countedAt) * reservePerMs;
    this.#retries = Math.max(this.#retries, Math.min(reserve, grown));
    this.#countedAt = now;
    if (this.#retries < 1) return false;
    this.#retries--;
    return true;
  }
}
