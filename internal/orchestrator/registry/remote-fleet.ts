// What the other pods hold, as the snapshot, the changes and the leases tell of it, kept in this pod's memory. Each
// statement stands for itself, so that one that comes twice or late does no harm.
import type { Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { readHeld } from './fleet-record.ts';
import type { HeardLease } from './lease.ts';
import type { MemoryRegistry } from './memory-registry.ts';
import { podOf } from './redis-keys.ts';
import { registryLimits } from './registry-limits.ts';
import { RemoteConnection } from './remote-connection.ts';
import { type RemoteSeat, RemoteSeats } from './remote-seats.ts';
import type { ServerTime } from './server-time.ts';

export interface RemoteFleetOptions {
  readonly podId: string;
  readonly memory: MemoryRegistry;
  readonly clock: Clock;
  readonly time: ServerTime;
  readonly log: Logger;
  /** A connection of another pod is new here, or is another now. */
  readonly onPut: (connection: RemoteConnection) => void;
}

export class RemoteFleet {
  readonly seats = new RemoteSeats();
  readonly #options: RemoteFleetOptions;
  readonly #connections = new Map<string, RemoteConnection>();
  /** Seats that Redis does not list any more, and since when. */
  readonly #missing = new Map<string, number>();

  constructor(options: RemoteFleetOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#connections.size;
  }

  get exits(): number {
    let exits = 0;
    for (const connection of this.#connections.values()) exits += connection.exits.length;
    return exits;
  }

  /** A pod took a seat, or says another thing of itself. */
  seat(seat: string, record: string): void {
    if (!this.#isOwn(seat)) this.seats.put(seat, record, this.#options.clock.wallMs());
  }

  put(seat: string, connectionId: string, value: string): void {
    if (this.#isOwn(seat)) return;
    const at = this.seats.get(seat);
    const held = readHeld(value);
    if (!at) return;
    if (!held) {
      this.#options.log.warn({ pod: at.pod.podId, connectionId }, 'a pod wrote a connection that cannot be read');
      return;
    }
    const { memory, time, onPut } = this.#options;
    const known = this.#connections.get(connectionId);
    if (known && known.change >= held.change && known.seat === at) return;
    if (known && known.agentId === held.agentId && known.podId === at.pod.podId) known.update(at, held);
    else this.drop(connectionId);
    const connection =
      this.#connections.get(connectionId) ?? new RemoteConnection(connectionId, time.toWall(held.welcomedAt), at, held);
    this.#connections.set(connectionId, connection);
    memory.put(connection);
    onPut(connection);
  }

  drop(connectionId: string): void {
    if (this.#connections.delete(connectionId)) this.#options.memory.remove(connectionId);
  }

  /** Its lease is over. */
  left(seat: string): void {
    for (const [connectionId, connection] of this.#connections) {
      if (connection.seat.seat === seat) this.drop(connectionId);
    }
    this.#missing.delete(seat);
    this.seats.remove(seat);
  }

  /** What a snapshot of these seats does not hold is gone. */
  keepOnly(seats: ReadonlySet<string>, connectionIds: ReadonlySet<string>): void {
    for (const [connectionId, { seat }] of this.#connections) {
      if (seats.has(seat.seat) && !connectionIds.has(connectionId)) this.drop(connectionId);
    }
  }

  /** The leases that live; answers the seats among them that were not known. */
  heard(leases: readonly HeardLease[]): readonly string[] {
    const unknown: string[] = [];
    const listed = new Set<string>();
    for (const { seat, leftMs, record } of leases) {
      if (this.#isOwn(seat)) continue;
      listed.add(seat);
      if (leftMs <= 0) this.left(seat);
      else if (this.seats.get(seat)) this.seats.put(seat, record, this.#renewedAt(leftMs));
      else unknown.push(seat);
    }
    this.#forgetMissing(listed);
    return unknown;
  }

  /** Knows these seats from now on; what they hold is to be read. */
  adopt(leases: readonly HeardLease[]): RemoteSeat[] {
    const adopted: RemoteSeat[] = [];
    for (const { seat, leftMs, record } of leases) {
      if (this.#isOwn(seat) || leftMs <= 0) continue;
      const known = this.seats.put(seat, record, this.#renewedAt(leftMs));
      if (known) adopted.push(known);
    }
    return adopted;
  }

  /** Redis lost the seat, and its pod has not said yet where it sits now: it has one lease to do so. */
  #forgetMissing(listed: ReadonlySet<string>): void {
    const now = this.#options.clock.now();
    for (const { seat } of [...this.seats]) {
      if (listed.has(seat)) {
        this.#missing.delete(seat);
        continue;
      }
      const since = this.#missing.get(seat) ?? now;
      this.#missing.set(seat, since);
      if (now - since >= registryLimits.leaseMs) this.left(seat);
    }
  }

  #renewedAt(leftMs: number): number {
    return Math.round(this.#options.clock.wallMs() - Math.max(0, registryLimits.leaseMs - leftMs));
  }

  #isOwn(seat: string): boolean {
    return podOf(seat) === this.#options.podId;
  }
}
