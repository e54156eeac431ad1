// How often one address may come with a secret that opens nothing before it is only told to wait. A token bucket per
// address, in a bounded map: whoever fills the map forgives the oldest, which costs nothing but a look-up. Agents and
// callers each have their own allowance: agents try again by themselves, services share addresses.
import type { Clock } from '../../kit/clock.ts';
import { LruMap } from '../../kit/lru.ts';
import { channelLimits } from './channel-limits.ts';
import { subscriberOf } from './client-address.ts';

export interface Allowance {
  /** Failures at once. */
  readonly burst: number;
  /** After how long one is forgiven. */
  readonly forgivenMs: number;
}

interface Bucket {
  readonly failures: number;
  readonly at: number;
}

export class FailureBudget {
  readonly #clock: Clock;
  readonly #allowance: Allowance;
  readonly #buckets = new LruMap<string, Bucket>(channelLimits.maxFailingAddresses);

  constructor(clock: Clock, allowance: Allowance) {
    this.#clock = clock;
    this.#allowance = allowance;
  }

  /** Counts one failure. Undefined, or how long to wait once the address has used up its budget. */
  spend(address: string): { readonly retryAfterMs: number } | undefined {
    const { burst, forgivenMs } = this.#allowance;
    const subscriber = subscriberOf(address);
    const now = this.#clock.now();
    const { failures, at } = this.#buckets.get(subscriber) ?? { failures: 0, at: now };
    const left = Math.max(0, failures - (now - at) / forgivenMs);
    const isOver = left + 1 > burst;
    this.#buckets.set(subscriber, { failures: isOver ? left : left + 1, at: now });
    return isOver ? { retryAfterMs: Math.ceil((left + 1 - burst) * forgivenMs) } : undefined;
  }
}
