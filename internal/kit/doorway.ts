// The sockets of one listener. Whoever has not proven to be somebody is a stranger: strangers are few, in all and of one
// address, the newest pushes the oldest out, and each has a moment to ask for something. Whoever is known stays, and
// costs nothing here but its place in a set.
import type { Server, Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { CancelTimer, Clock } from './clock.ts';
import { type Crowding, Lobby } from './lobby.ts';

export interface DoorwayLimits {
  /** Connections of those that are known; newcomers are refused while there are so many. */
  readonly maxKnown: number;
  readonly maxStrangers: number;
  /** Strangers from one address. */
  readonly maxStrangersPerAddress: number;
  /** From the connection, the handshake included, to the end of the head of a first request. */
  readonly askWithinMs: number;
}

export interface DoorwayOptions {
  readonly limits: DoorwayLimits;
  /** Addresses that are counted together; undefined for one that is no single stranger's, such as a proxy's. */
  readonly groupOf: (address: string) => string | undefined;
  readonly clock: Clock;
}

/** One end of a connection. Address and port name it, whichever object stands for it: raw, TLS or HTTP/2's. */
export interface Peer {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
}

const cutReasons = ['overdue', 'address', 'crowd', 'full'] as const;
/** Asked nothing in time; its address had too many; there were too many in all; those who are known filled the door. */
export type CutReason = (typeof cutReasons)[number];

/** What dashboards are told. */
export interface DoorwayCounts {
  readonly strangers: number;
  readonly known: number;
  readonly cuts: Readonly<Record<CutReason, number>>;
}

interface Stranger {
  readonly socket: Socket;
  readonly since: number;
  hasAsked: boolean;
}

/** How often overdue strangers are looked for, unless they have less time than that. */
const sweepMs = 250;
/** With these Node itself cuts whoever keeps it waiting. */
const overdueCodes: ReadonlySet<unknown> = new Set(['ERR_HTTP_REQUEST_TIMEOUT', 'ERR_TLS_HANDSHAKE_TIMEOUT']);
const reasonOf: Readonly<Record<Crowding, CutReason>> = { group: 'address', all: 'crowd' };

export class Doorway implements DoorwayCounts {
  readonly #options: DoorwayOptions;
  readonly #sockets = new Set<Socket>();
  readonly #strangers: Lobby<Stranger>;
  readonly cuts: Record<CutReason, number> = { overdue: 0, address: 0, crowd: 0, full: 0 };
  #cancelSweep: CancelTimer | undefined;
  #emptied: PromiseWithResolvers<void> | undefined;
  // One listener for all sockets: a closure each would cost every idle agent half a kilobyte.
  readonly #onClose: (this: Socket) => void;
  readonly #onSecureClose: (this: TLSSocket) => void;

  constructor(options: DoorwayOptions) {
    const { maxStrangers: inAll, maxStrangersPerAddress: perGroup } = options.limits;
    this.#options = options;
    this.#strangers = new Lobby({ inAll, perGroup });
    const forget = (socket: Socket) => this.#forget(socket);
    const countOverdue = ({ errored }: Socket) => this.#countOverdue(errored);
    this.#onClose = function () {
      forget(this);
      countOverdue(this);
    };
    this.#onSecureClose = function () {
      countOverdue(this);
    };
  }

  get strangers(): number {
    return this.#strangers.size;
  }

  get known(): number {
    return this.#sockets.size - this.#strangers.size;
  }

  /** From now on every connection of the server is looked after here. */
  lookAfter(server: Server): void {
    server.on('connection', (socket: Socket) => this.#receive(socket));
    server.on('secureConnection', (socket: TLSSocket) => void socket.once('close', this.#onSecureClose));
    server.on('tlsClientError', (error: Error) => this.#countOverdue(error));
  }

  /** It has sent the head of a request: its time is up to that request from now on. */
  asked(peer: Peer): void {
    const stranger = this.#strangers.get(idOf(peer));
    if (stranger) stranger.hasAsked = true;
  }

  /** It is somebody: no newcomer pushes it out any more. */
  vouchFor(peer: Peer): void {
    this.#strangers.leave(idOf(peer));
  }

  destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Resolves when no connection is left; for a server that takes no more. */
  onceEmpty(): Promise<void> {
    this.#emptied ??= Promise.withResolvers();
    if (this.#sockets.size === 0) this.#emptied.resolve();
    return this.#emptied.promise;
  }

  #receive(socket: Socket): void {
    const { limits, groupOf, clock } = this.#options;
    const { remoteAddress } = socket;
    // Gone before it could be looked at.
    if (remoteAddress === undefined) return void socket.destroy();
    if (this.known >= limits.maxKnown) return this.#cut(socket, 'full');
    const stranger = { socket, since: clock.now(), hasAsked: false };
    const displaced = this.#strangers.enter(idOf(socket), stranger, groupOf(remoteAddress));
    this.#sockets.add(socket);
    socket.on('close', this.#onClose);
    if (displaced) this.#cut(displaced.guest.socket, reasonOf[displaced.because]);
    this.#cancelSweep ??= clock.after(this.#sweepMs, this.#sweep);
  }

  #cut(socket: Socket, reason: CutReason): void {
    this.cuts[reason]++;
    // Not when it has closed: until then a crowd that is pushed out would count among those who are known.
    this.#sockets.delete(socket);
    socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    const id = idOf(socket);
    // A peer may be back from the same port already.
    if (this.#strangers.get(id)?.socket === socket) this.#strangers.leave(id);
    if (this.#sockets.size === 0) this.#emptied?.resolve();
    if (this.#strangers.size > 0) return;
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
  }

  #countOverdue(error: Error | null): void {
    if (error && 'code' in error && overdueCodes.has(error.code)) this.cuts.overdue++;
  }

  get #sweepMs(): number {
    return Math.min(sweepMs, this.#options.limits.askWithinMs);
  }

  readonly #sweep = (): void => {
    const { limits, clock } = this.#options;
    const latest = clock.now() - limits.askWithinMs;
    for (const { socket, since, hasAsked } of this.#strangers.guests()) {
      if (since > latest) break;
      if (hasAsked) continue;
      this.#strangers.leave(idOf(socket));
      this.#cut(socket, 'overdue');
    }
    this.#cancelSweep = this.#strangers.size > 0 ? clock.after(this.#sweepMs, this.#sweep) : undefined;
  };
}

function idOf({ remoteAddress = '', remotePort = 0 }: Peer): string {
  return `${remoteAddress} ${remotePort}`;
}
