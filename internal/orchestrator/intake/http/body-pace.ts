// A caller that was let in holds a place while its body is on the way, so the body has to keep coming: never still for
// long, and not by the drop. Within that it may take as long as a request may.
import { type TimerWheel, WheelTimer } from '../../../kit/timer-wheel.ts';

export interface PaceLimits {
  /** Without a byte. */
  readonly bodyIdleMs: number;
  /** On average since the head, once the body has taken `bodyIdleMs`. */
  readonly minBodyBytesPerSecond: number;
}

export interface PaceOptions extends PaceLimits {
  readonly wheel: TimerWheel;
}

/** Looks at the body in so many moments of its idle time: nothing is measured as bytes arrive. */
const looksPerIdle = 10;

export class BodyPace {
  readonly #options: PaceOptions;
  readonly #timer: WheelTimer;
  readonly #onSlow: (why: string) => void;
  #bytes = 0;
  #bytesSeen = 0;
  #looks = 0;
  #quietLooks = 0;

  /** Calls back at most once, with what the caller is told. */
  constructor(options: PaceOptions, onSlow: (why: string) => void) {
    this.#options = options;
    this.#onSlow = onSlow;
    this.#timer = new WheelTimer(() => this.#look());
    this.#lookLater();
  }

  moved(bytes: number): void {
    this.#bytes += bytes;
  }

  /** The body is here, or nobody waits for it any more. */
  stop(): void {
    this.#options.wheel.cancel(this.#timer);
  }

  get #lookMs(): number {
    return this.#options.bodyIdleMs / looksPerIdle;
  }

  #lookLater(): void {
    this.#options.wheel.set(this.#timer, this.#lookMs);
  }

  #look(): void {
    const { bodyIdleMs, minBodyBytesPerSecond } = this.#options;
    this.#quietLooks = this.#bytes === this.#bytesSeen ? this.#quietLooks + 1 : 0;
    this.#bytesSeen = this.#bytes;
    const elapsedMs = ++this.#looks * this.#lookMs;
    if (this.#quietLooks >= looksPerIdle) this.#onSlow(`The body stood still for ${bodyIdleMs} ms.`);
    else if (elapsedMs > bodyIdleMs && this.#bytes * 1000 < elapsedMs * minBodyBytesPerSecond)
      this.#onSlow(`The body came more slowly than ${minBodyBytesPerSecond} bytes a second.`);
    else this.#lookLater();
  }
}
