// A connection that another pod holds, as the change stream tells of it. Its exits stay the same objects while their
// offer stays the same, so that what this pod knows of them from its own jobs is kept.
import { isDeepStrictEqual } from 'node:util';
import { type HeldRecord, offersOf } from './fleet-record.ts';
import type { ExitOffer } from './live-exit.ts';
import type { FleetConnection } from './registry.ts';
import { RemoteExit } from './remote-exit.ts';
import type { RemoteSeat } from './remote-seats.ts';

interface KnownExit {
  readonly offer: ExitOffer;
  readonly exit: RemoteExit;
}

export class RemoteConnection implements FleetConnection {
  readonly connectionId: string;
  readonly connectedAt: number;
  #seat: RemoteSeat;
  #held: HeldRecord;
  #known: readonly KnownExit[] = [];
  exits: readonly RemoteExit[] = [];
  tenants: ReadonlySet<string> = new Set();
  metadata: Readonly<Record<string, string>> = {};

  /** `connectedAt` in this pod's own time. */
  constructor(connectionId: string, connectedAt: number, seat: RemoteSeat, held: HeldRecord) {
    this.connectionId = connectionId;
    this.connectedAt = connectedAt;
    this.#seat = seat;
    this.#held = held;
    this.update(seat, held);
  }

  get seat(): RemoteSeat {
    return this.#seat;
  }

  /** The number of the change that it shows. */
  get change(): number {
    return this.#held.change;
  }

  get agentId(): string {
    return this.#held.agentId;
  }

  get podId(): string {
    return this.#seat.pod.podId;
  }

  get instanceId(): string {
    return this.#held.record.instance;
  }

  get connectSeq(): bigint {
    return BigInt(this.#held.record.seq);
  }

  get epoch(): number {
    return this.#held.epoch;
  }

  /** Its pod answers for it: the time of the pod's own renewal. */
  get lastHeartbeat(): number {
    return Math.max(this.connectedAt, this.#seat.renewedAt);
  }

  get draining(): boolean {
    return this.#held.record.draining;
  }

  get version(): string {
    return this.#held.record.version;
  }

  update(seat: RemoteSeat, held: HeldRecord): void {
    const samePod = seat.pod === this.#seat.pod;
    this.#seat = seat;
    this.#held = held;
    const known = offersOf(held).map((offer) => this.#keep(offer, samePod));
    const unchanged =
      known.length === this.#known.length && known.every(({ exit }, index) => exit === this.#known[index]?.exit);
    if (!unchanged) this.exits = known.map(({ exit }) => exit);
    this.#known = known;
    for (const exit of this.exits) exit.draining = held.record.draining;
    const { tenants, platform, instance, protocol } = held.record;
    this.tenants = new Set(tenants);
    this.metadata = { platform, instanceId: instance, protocol };
  }

  #keep(offer: ExitOffer, samePod: boolean): KnownExit {
    const before = this.#known.find(({ exit }) => exit.name === offer.name);
    if (before && samePod && isDeepStrictEqual(before.offer, offer)) return before;
    const exit = new RemoteExit(offer, this.#seat.pod);
    if (before) exit.recentSuccess = before.exit.recentSuccess;
    return { offer, exit };
  }
}
