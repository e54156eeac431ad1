// How often calls without a valid token may come from one address before they are told to wait instead of what is
// wrong. The agents' door has a tighter one of its own: agents try again by themselves, services share addresses.
import type { Clock } from '../../../kit/clock.ts';
import { LruMap } from '../../../kit/lru.ts';
import { subscriberOf } from '../../channel/client-address.ts';

/** A service that starts with a stale token, in a few copies, is told what is wrong. */
const burst = 100;
const forgivenMs = 600;
/** Whoever fills the map forgives the oldest, which costs nothing but a look-up. */
const maxAddresses = 10_000;

interface Bucket {
  failures: number;
  at: number;
}

export class FailureBudget {
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, Bucket>(maxAddresses);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one failure. Undefined, or how long to wait once the address has used up its budget. */
  spend(address: string): { readonly retryAfterMs: number } | undefined {
    const subscriber = subscriberOf(address);
    const now = this.#clock.now();
    const { failures, at } = this.#buckets.get(subscriber) ?? { failures: 0, at: now };
    const left = Math.max(0, failures - (now - at) / forgivenMs);
    const isOver = left + 1 > burst;
    this.#buckets.set(subscriber, { failures: isOver ? left : left + 1, at: now });
    return isOver ? { retryAfterMs: Math.ceil((left + 1 - burst) * forgivenMs) } : undefined;
  }
}
