// Clears away what dead pods left in Redis, in small steps. Views do not wait for it: they go by the leases. One pod
// does it, the first of those alive.
import type { RedisCommands } from '../redis/redis-client.ts';
import type { HeardLease } from './lease.ts';
import type { RegistryKeys } from './redis-keys.ts';
import { scripts } from './redis-scripts.ts';
import { registryLimits } from './registry-limits.ts';

export interface ReaperOptions {
  readonly redis: Pick<RedisCommands, 'run'>;
  readonly keys: RegistryKeys;
  readonly onFault: (error: unknown) => void;
}

export class Reaper {
  readonly #options: ReaperOptions;
  #busy = false;

  constructor(options: ReaperOptions) {
    this.#options = options;
  }

  heard(leases: readonly HeardLease[], ownSeat: string | undefined): void {
    if (this.#busy) return;
    const alive = leases.filter(({ leftMs }) => leftMs > 0).map(({ seat }) => seat);
    if (alive.sort()[0] !== ownSeat) return;
    const dead = leases.filter(({ leftMs }) => leftMs <= -registryLimits.leaseMs);
    if (dead.length > 0) void this.#clear(dead.map(({ seat }) => seat));
  }

  /** At most so many steps; the rest waits for the next time. */
  async clear(seat: string): Promise<void> {
    const { redis, keys } = this.#options;
    const { leases, seats, writes, newest } = keys;
    for (let step = 0; step < registryLimits.reapSteps; step++) {
      const args = [seat, registryLimits.reapFields];
      if ((await redis.run(scripts.reap, [leases, seats, writes, newest, keys.held(seat)], args)) === 0) return;
    }
  }

  async #clear(seats: readonly string[]): Promise<void> {
    this.#busy = true;
    try {
      for (const seat of seats) await this.clear(seat);
    } catch (error) {
      this.#options.onFault(error);
    } finally {
      this.#busy = false;
    }
  }
}
