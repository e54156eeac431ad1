// One undici Client: at most one connection to one origin, dialled by the guard, one request at a time.
import { type buildConnector, Client } from 'undici';
import type { Connection, Connector, ConnectTarget, ConnectTimings } from '../../guard/connector.ts';
import { limits } from '../../wire/limits.ts';

export interface LaneOptions {
  readonly connector: Connector;
  readonly origin: string;
  readonly to: ConnectTarget;
  readonly keepAliveMs: number;
  /** The connection ended: on its own, or by destroy(). */
  readonly onDisconnect: (lane: Lane) => void;
}

const pooled: ConnectTimings = { dnsUs: 0, connectUs: 0, tlsUs: 0 };

export class Lane {
  readonly client: Client;
  /** When it was last given back. */
  idleSinceMs = 0;
  readonly #connector: Connector;
  readonly #to: ConnectTarget;
  #connection: Connection | undefined;
  #timings = pooled;
  readonly #stop = new AbortController();

  constructor({ connector, origin, to, keepAliveMs, onDisconnect }: LaneOptions) {
    this.#connector = connector;
    this.#to = to;
    this.client = new Client(origin, {
      connect: (_options, settle) => this.#dial(settle),
      // HTTP/2 merges repeated headers.
      allowH2: false,
      useMilo: false,
      pipelining: 1,
      maxHeaderSize: limits.maxHeaderBytes,
      // The job's deadline rules.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: keepAliveMs,
      // What an origin offers in Keep-Alive is taken, up to this.
      keepAliveMaxTimeout: 30_000,
    });
    this.client.on('disconnect', () => onDisconnect(this));
  }

  /** Whether there is a connection that may carry the next request. */
  get alive(): boolean {
    return this.#connection !== undefined && !this.#connection.socket.destroyed;
  }

  /** What the dial for the current request took. */
  get timings(): ConnectTimings {
    return this.#timings;
  }

  /** The connection stays for a next request, which will not have dialled it. */
  park(nowMs: number): void {
    this.idleSinceMs = nowMs;
    this.#timings = pooled;
  }

  /** Ends the dial, the connection and whatever is on it. */
  destroy(): Promise<void> {
    this.#stop.abort();
    return this.client.destroy();
  }

  /** undici calls it for the first request, and again when the origin closed an idle connection. */
  #dial(settle: buildConnector.Callback): void {
    this.#connector.connect(this.#to, this.#stop.signal).then(
      (connection) => {
        this.#connection = connection;
        this.#timings = connection.timings;
        settle(null, connection.socket);
      },
      (error: Error) => settle(error, null),
    );
  }
}
