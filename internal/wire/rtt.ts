// The round-trip time of a connection, as its pings measure it. What it is compared with is its own minimum.
import { limits } from './limits.ts';

export class RoundTrip {
  #lastMs: number | undefined;
  #minMs = Number.POSITIVE_INFINITY;

  sample(ms: number): void {
    this.#lastMs = ms;
    this.#minMs = Math.min(this.#minMs, ms);
  }

  /** The newest sample; undefined before the first. */
  get lastMs(): number | undefined {
    return this.#lastMs;
  }

  /** How many times its minimum the newest sample is; 1 when both are too short to tell from noise. */
  get inflation(): number {
    if (this.#lastMs === undefined) return 1;
    return Math.max(this.#lastMs, limits.minMeasurableRttMs) / Math.max(this.#minMs, limits.minMeasurableRttMs);
  }
}
