// What time it is at Redis, from samples and this pod's own steady clock: pods compare no wall clocks, which may be
// minutes apart.
import type { Clock } from '../../kit/clock.ts';

export class ServerTime {
  readonly #clock: Clock;
  #offsetMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** An answer says that it was `serverMs`. */
  sample(serverMs: number): void {
    this.#offsetMs = serverMs - this.#clock.now();
  }

  now(): number {
    return this.#clock.now() + this.#offsetMs;
  }

  /** A moment of Redis' clock in this pod's Unix milliseconds. */
  toWall(serverMs: number): number {
    return Math.round(this.#clock.wallMs() - (this.now() - serverMs));
  }
}
