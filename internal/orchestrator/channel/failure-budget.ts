// How often one address may come with a key that opens nothing before it is only told to wait. A token bucket per
// address, in a bounded map: whoever fills the map forgives the oldest, which costs nothing but a look-up.
import type { Clock } from '../../kit/clock.ts';
import { LruMap } from '../../kit/lru.ts';
import { channelLimits } from './channel-limits.ts';
import { subscriberOf } from './client-address.ts';

interface Bucket {
  failures: number;
  at: number;
}

export class FailureBudget {
  readonly #clock: Clock;
  readonly #buckets = new LruMap<string, Bucket>(channelLimits.maxFailingAddresses);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one failure: false when the address has used up its budget. */
  spend(address: string): boolean {
    const subscriber = subscriberOf(address);
    const now = this.#clock.now();
    const bucket = this.#buckets.get(subscriber) ?? { failures: 0, at: now };
    const forgiven = (now - bucket.at) / channelLimits.failureForgivenMs;
    bucket.failures = Math.max(0, bucket.failures - forgiven);
    bucket.at = now;
    this.#buckets.set(subscriber, bucket);
    if (bucket.failures + 1 > channelLimits.failureBurst) return false;
    bucket.failures++;
    return true;
  }
}
