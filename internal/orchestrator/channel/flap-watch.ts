// Notices two programs that run under one agent's name and keep replacing each other. An agent that was replaced waits
// a minute or more before it comes back (its uplink sees to that), so saying it plainly is all that is left to do.
import type { Clock } from '../../kit/clock.ts';
import { LruMap } from '../../kit/lru.ts';
import { channelLimits } from './channel-limits.ts';

interface Flaps {
  readonly since: number;
  count: number;
}

export class FlapWatch {
  readonly #clock: Clock;
  readonly #flaps = new LruMap<string, Flaps>(channelLimits.maxFlapAgents);

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts one replacement; true when it is time to say so: once per window. */
  replaced(agentId: string): boolean {
    const now = this.#clock.now();
    const known = this.#flaps.get(agentId);
    const flaps = known && now - known.since < channelLimits.flapWindowMs ? known : { since: now, count: 0 };
    flaps.count++;
    this.#flaps.set(agentId, flaps);
    return flaps.count === channelLimits.flapCount;
  }
}
