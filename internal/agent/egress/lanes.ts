// The connections to origins that are kept between jobs, per isolation and origin: no tenant inherits another's
// connection, TLS session or connection-bound login. Busy lanes are bounded by the exchanges that run; idle lanes and
// pools are bounded here, and the longest unused go first.

import type { Connector, TlsSessionSlot } from '../../guard/connector.ts';
import type { Clock } from '../../kit/clock.ts';
import { LruMap } from '../../kit/lru.ts';
import type { RequestTarget } from '../../wire/http-rules.ts';
import { Lane } from './lane.ts';

export interface LanesOptions {
  readonly connector: Connector;
  readonly clock: Clock;
  readonly maxPools: number;
  readonly maxIdle: number;
  readonly keepAliveMs: number;
}

/** Which lane will do: any, one that was in use just now, or none but a new one. */
export type Freshness = 'any' | 'recent' | 'new';

/** Origins close idle connections after 2 s at the soonest, in practice; half of that is far from the edge. */
const recentMs = 1_000;

interface Pool {
  readonly idle: Lane[];
  readonly tlsSession: TlsSessionSlot;
  /** False once another pool took its place: lanes that are still out do not come back. */
  open: boolean;
}

export class Lanes {
  readonly #options: LanesOptions;
  readonly #pools: LruMap<string, Pool>;
  /** Every lane, with its pool. */
  readonly #lanes = new Map<Lane, Pool>();
  /** Longest idle first. */
  readonly #idle = new Set<Lane>();

  constructor(options: LanesOptions) {
    this.#options = options;
    this.#pools = new LruMap(options.maxPools, (pool) => this.#evict(pool));
  }

  get size(): { readonly lanes: number; readonly idle: number; readonly pools: number } {
    return { lanes: this.#lanes.size, idle: this.#idle.size, pools: this.#pools.size };
  }

  /** A lane for one request, to be given back with park() or drop(). */
  take(isolationKey: string, target: RequestTarget, freshness: Freshness): Lane {
    const pool = this.#pool(`${isolationKey} ${target.origin}`);
    return (freshness !== 'new' && this.#takeIdle(pool, freshness)) || this.#open(pool, target);
  }

  /** The request is over and left the connection usable, as far as one can tell. */
  park(lane: Lane): void {
    const pool = this.#lanes.get(lane);
    if (!pool?.open) return this.drop(lane);
    lane.park(this.#options.clock.now());
    pool.idle.push(lane);
    this.#idle.add(lane);
    if (this.#idle.size > this.#options.maxIdle) this.#dropOldest();
  }

  drop(lane: Lane): void {
    this.#forget(lane);
    void lane.destroy();
  }

  /** Ends every lane, busy ones too; resolves when the sockets are closed. */
  async close(): Promise<void> {
    const lanes = [...this.#lanes.keys()];
    for (const lane of lanes) this.#forget(lane);
    await Promise.all(lanes.map((lane) => lane.destroy()));
  }

  #pool(key: string): Pool {
    const known = this.#pools.get(key);
    if (known) return known;
    const pool: Pool = { idle: [], tlsSession: { session: undefined }, open: true };
    this.#pools.set(key, pool);
    return pool;
  }

  /**
   * The most recently used first: it is the least likely to be closed under the request. One that was closed a moment
   * ago dials again by itself.
   */
  #takeIdle(pool: Pool, freshness: Freshness): Lane | undefined {
    const lane = pool.idle.at(-1);
    if (!lane) return undefined;
    if (freshness === 'recent' && this.#options.clock.now() - lane.idleSinceMs > recentMs) return undefined;
    pool.idle.pop();
    this.#idle.delete(lane);
    return lane;
  }

  #open(pool: Pool, { origin, hostname, port, secure }: RequestTarget): Lane {
    const { connector, keepAliveMs } = this.#options;
    const to = { hostname, port, secure, tlsSession: pool.tlsSession };
    const lane = new Lane({ connector, origin, to, keepAliveMs, onDisconnect: this.#onDisconnect });
    this.#lanes.set(lane, pool);
    return lane;
  }

  /** A busy lane's request hears of it by itself. */
  readonly #onDisconnect = (lane: Lane): void => {
    if (this.#idle.has(lane)) this.drop(lane);
  };

  #evict(pool: Pool): void {
    pool.open = false;
    for (const lane of [...pool.idle]) this.drop(lane);
  }

  #dropOldest(): void {
    for (const lane of this.#idle) {
      this.drop(lane);
      return;
    }
  }

  #forget(lane: Lane): void {
    const pool = this.#lanes.get(lane);
    this.#lanes.delete(lane);
    if (!this.#idle.delete(lane) || !pool) return;
    const at = pool.idle.indexOf(lane);
    if (at !== -1) pool.idle.splice(at, 1);
  }
}
