// Which part of each caller's limits this pod may give out. Admission reads a number; in the background this pod asks
// Redis once a second, for all limits that are in use here, for a part in proportion to what is asked of it. Without
// Redis the parts stay as they are, and after a lease are at most an equal part each.
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import type { RedisCommands } from '../redis/redis-client.ts';
import { shareScript } from './share-script.ts';
import type { SharedLimit, Shares } from './shares.ts';

export interface FleetSharesOptions {
  readonly redis: Pick<RedisCommands, 'run' | 'status'>;
  /** Prefix of every key; the hash tag is ours. */
  readonly prefix: string;
  readonly podId: string;
  /** Pods that are known now, this one included. */
  readonly pods: () => number;
  readonly clock: Clock;
}

interface Use {
  limit: SharedLimit;
  fraction: number;
  /** Jobs that asked since the last renewal. */
  asked: number;
  /** Renewals since anybody asked. */
  idle: number;
  /** When the fraction was last leased, or undefined. */
  leasedAt: number | undefined;
}

const renewMs = 1_000;
const leaseMs = 4_000;
/** Of one call: a script of so many hashes takes a few milliseconds. */
const maxLimitsPerCall = 250;
const maxIdleRenewals = 4;
/** That are leased at once; what is used beyond them has the floor. */
const maxUses = 10_000;
/** Of an equal part: what a pod has without asking, for the first job that comes to it. */
const floorOfEqualPart = 0.25;

export class FleetShares implements Shares {
  readonly #options: FleetSharesOptions;
  /** By name. */
  readonly #uses = new Map<string, Use>();
  #cancel: CancelTimer | undefined;
  #closed = false;

  constructor(options: FleetSharesOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#closed) return;
    this.#cancel = this.#options.clock.after(renewMs, () => {
      void this.renew().then(() => this.start());
    });
  }

  close(): void {
    this.#closed = true;
    this.#cancel?.();
  }

  /** A job asks: from 0 to 1, and never 0. */
  fractionOf(limit: SharedLimit): number {
    const pods = this.#options.pods();
    const use = this.#uses.get(limit.name) ?? this.#newUse(limit);
    if (!use) return floorOf(pods);
    use.limit = limit;
    use.asked++;
    use.idle = 0;
    return this.#current(use, pods);
  }

  /** Never rejects. */
  async renew(): Promise<void> {
    this.#forgetIdle();
    const pods = this.#options.pods();
    if (pods <= 1 || this.#options.redis.status === 'down') return;
    const uses = [...this.#uses.values()];
    for (let i = 0; i < uses.length; i += maxLimitsPerCall)
      await this.#lease(uses.slice(i, i + maxLimitsPerCall), pods);
  }

  async #lease(uses: readonly Use[], pods: number): Promise<void> {
    const { redis, prefix, podId, clock } = this.#options;
    const keys = uses.map(({ limit }) => `{${prefix}:limits}:${limit.name}`);
    const asks = uses.flatMap((use) => [this.#inUse(use, pods).toFixed(6), demandOf(use)]);
    const leasedAt = clock.now();
    for (const use of uses) use.asked = 0;
    try {
      const grants = await redis.run(shareScript, keys, [podId, pods, floorOf(pods).toFixed(6), leaseMs, ...asks]);
      if (!Array.isArray(grants)) return;
      for (const [i, use] of uses.entries()) {
        use.fraction = Number(grants[i]);
        use.leasedAt = leasedAt;
      }
    } catch {
      // The parts stay as they are; whoever runs this pod hears of Redis from its client.
    }
  }

  #newUse(limit: SharedLimit): Use | undefined {
    if (this.#uses.size >= maxUses) return undefined;
    const use: Use = { limit, fraction: 0, asked: 0, idle: 0, leasedAt: undefined };
    this.#uses.set(limit.name, use);
    return use;
  }

  #current({ fraction, leasedAt }: Use, pods: number): number {
    if (pods <= 1) return 1;
    if (leasedAt === undefined) return floorOf(pods);
    const lapsed = this.#options.clock.now() - leasedAt > leaseMs;
    return Math.max(floorOf(pods), lapsed ? Math.min(fraction, 1 / pods) : fraction);
  }

  /** What this pod has given out and cannot take back counts even when its part is smaller by now. */
  #inUse(use: Use, pods: number): number {
    const { limits, load } = use.limit;
    return Math.min(1, Math.max(this.#current(use, pods), load.inFlight / limits.maxInFlight));
  }

  #forgetIdle(): void {
    for (const [name, use] of this.#uses) {
      if (use.asked === 0 && use.limit.load.inFlight === 0) use.idle++;
      if (use.idle > maxIdleRenewals) this.#uses.delete(name);
    }
  }
}

function floorOf(pods: number): number {
  return floorOfEqualPart / pods;
}

function demandOf({ asked, limit }: Use): number {
  return asked + limit.load.inFlight;
}
