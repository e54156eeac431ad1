// Which attempts this agent has begun lately. A repeated OPEN, whatever its cause, must never reach an origin twice.
// Two generations instead of a time per entry: the older one is forgotten as a whole, so that a job costs two look-ups
// and one insertion.
import type { Clock } from '../../kit/clock.ts';

const rememberedMs = 600_000;
/** Per generation, about 2 MiB. Who begins more within ten minutes is remembered for a shorter time. */
const maxEntries = 16_384;

export class AttemptLedger {
  readonly #clock: Clock;
  readonly #maxEntries: number;
  /** The newest attempt of each job. */
  #young = new Map<string, number>();
  #old: ReadonlyMap<string, number> = new Map();
  #youngSince: number;

  constructor(clock: Clock, capacity = maxEntries) {
    this.#clock = clock;
    this.#maxEntries = capacity;
    this.#youngSince = clock.now();
  }

  /** Enters the attempt; false when it, or a later one of the job, was entered within the last ten minutes. */
  begin(jobId: string, attempt: number): boolean {
    const newest = this.#young.get(jobId) ?? this.#old.get(jobId);
    if (newest !== undefined && newest >= attempt) return false;
    const now = this.#clock.now();
    if (this.#young.size >= this.#maxEntries || now - this.#youngSince >= rememberedMs) this.#age(now);
    this.#young.set(jobId, attempt);
    return true;
  }

  #age(now: number): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngSince = now;
  }
}
