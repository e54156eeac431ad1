// A connection that another pod holds, as the change stream tells of it. A pod keeps one for every agent of the fleet, so
// it holds little. Its exits stay the same objects while their offer stays the same, so that what this pod knows of them
// from its own jobs is kept.
import { isDeepStrictEqual } from 'node:util';
import { type HeldRecord, offersOf } from './fleet-record.ts';
import type { ExitOffer } from './live-exit.ts';
import type { FleetConnection } from './registry.ts';
import { RemoteExit } from './remote-exit.ts';
import type { RemoteSeat } from './remote-seats.ts';

const noExits: readonly RemoteExit[] = [];
const everyone: ReadonlySet<string> = new Set();

export class RemoteConnection implements FleetConnection {
  readonly connectionId: string;
  readonly agentId: string;
  readonly instanceId: string;
  readonly connectSeq: bigint;
  readonly connectedAt: number;
  readonly #platform: string;
  readonly #protocol: string;
  seat: RemoteSeat;
  /** The number of the change that it shows. */
  change = 0;
  epoch = 0;
  draining = false;
  version = '';
  exits = noExits;
  tenants = everyone;

  /** `connectedAt` in this pod's own time. */
  constructor(connectionId: string, connectedAt: number, seat: RemoteSeat, held: HeldRecord) {
    const { agentId, record } = held;
    this.connectionId = connectionId;
    this.agentId = agentId;
    this.instanceId = record.instance;
    this.connectSeq = BigInt(record.seq);
    this.connectedAt = connectedAt;
    this.#platform = record.platform;
    this.#protocol = record.protocol;
    this.seat = seat;
    this.update(seat, held);
  }

  get podId(): string {
    return this.seat.pod.podId;
  }

  /** Its pod answers for it: the time of the pod's own renewal. */
  get lastHeartbeat(): number {
    return Math.max(this.connectedAt, this.seat.renewedAt);
  }

  get metadata(): Readonly<Record<string, string>> {
    return { platform: this.#platform, instanceId: this.instanceId, protocol: this.#protocol };
  }

  update(seat: RemoteSeat, { change, epoch, record, agentId }: HeldRecord): void {
    this.seat = seat;
    this.change = change;
    this.epoch = epoch;
    this.draining = record.draining;
    this.version = record.version;
    if (record.tenants.length !== this.tenants.size || !record.tenants.every((tenant) => this.tenants.has(tenant))) {
      this.tenants = record.tenants.length === 0 ? everyone : new Set(record.tenants);
    }
    const exits = offersOf(agentId, record, this.tenants).map((offer) => this.#exitOf(offer));
    const same = exits.length === this.exits.length && exits.every((exit, index) => exit === this.exits[index]);
    if (!same) this.exits = exits;
    for (const exit of this.exits) exit.draining = record.draining;
  }

  #exitOf(offer: ExitOffer): RemoteExit {
    const { pod } = this.seat;
    const before = this.exits.find(({ name }) => name === offer.name);
    if (before?.pod === pod && offers(before, offer)) return before;
    const exit = new RemoteExit(offer, pod);
    if (before) exit.recentSuccess = before.recentSuccess;
    return exit;
  }
}

function offers(exit: RemoteExit, offer: ExitOffer): boolean {
  return (Object.keys(offer) as (keyof ExitOffer)[]).every((field) => isDeepStrictEqual(exit[field], offer[field]));
}
