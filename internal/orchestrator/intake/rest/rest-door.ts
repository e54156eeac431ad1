// The REST door: an HTTP/1.1 server, plain or with a certificate that is renewed in place, that gives nobody more time
// than an honest caller needs.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TlsFiles } from '../../../kit/tls-files.ts';
import { isLoopback } from '../../channel/client-address.ts';
import { RestHandler, type RestHandlerOptions } from './rest-handler.ts';

export interface RestDoorOptions extends Omit<RestHandlerOptions, 'writeTimeoutMs'> {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Started already; undefined: plain. */
  readonly tls: TlsFiles | undefined;
  /** Plain off loopback, because a proxy in front terminates TLS. */
  readonly allowPlaintext: boolean;
  readonly limits?: Partial<RestDoorLimits>;
}

export interface RestDoorLimits {
  readonly maxConnections: number;
  readonly handshakeTimeoutMs: number;
  /** From the connection, or from the first byte of the next request, to the end of the head. */
  readonly headTimeoutMs: number;
  /** To the end of the body. */
  readonly requestTimeoutMs: number;
  /** How often overdue connections are looked for. */
  readonly overdueCheckMs: number;
  /** Longer than balancers keep a connection, so that it is they who close it. */
  readonly idleTimeoutMs: number;
  /** Without progress in writing an answer. */
  readonly writeTimeoutMs: number;
}

const defaultLimits: RestDoorLimits = {
  maxConnections: 4096,
  handshakeTimeoutMs: 2_500,
  headTimeoutMs: 4_500,
  requestTimeoutMs: 60_000,
  overdueCheckMs: 1_000,
  idleTimeoutMs: 75_000,
  writeTimeoutMs: 60_000,
};
const maxHeadBytes = 16 * 1024;
/** A caller whose machine vanished while its job runs is noticed by TCP. */
const keepAliveProbeMs = 30_000;

export class RestDoor {
  readonly #options: RestDoorOptions;
  readonly #handler: RestHandler;
  readonly #server: Server | TlsServer;

  constructor(options: RestDoorOptions) {
    this.#options = options;
    const limits = { ...defaultLimits, ...options.limits };
    this.#handler = new RestHandler({ ...options, writeTimeoutMs: limits.writeTimeoutMs });
    this.#server = createHttpServer(options.tls, limits);
    this.#server.maxConnections = limits.maxConnections;
    this.#server.on('request', (request, response) => this.#serve(request, response, false));
    this.#server.on('checkContinue', (request, response) => this.#serve(request, response, true));
  }

  /** Rejects when it may not be plain, or the address is taken. */
  async start(): Promise<AddressInfo> {
    const { host, port, tls, allowPlaintext } = this.#options;
    if (!tls && !allowPlaintext && !isLoopback(host))
      throw new Error(`REST would listen on ${host} without TLS: give a certificate, or allow plaintext by name`);
    if (tls && this.#server instanceof TlsServer) tls.follow(this.#server);
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    return this.#server.address() as AddressInfo;
  }

  /** From now on every answer ends its connection, so that callers come back through the balancer. */
  leave(): void {
    this.#handler.leave();
  }

  /** Takes no more connections, waits for answers at most `graceMs`, then breaks off what is left. */
  async stop(graceMs: number): Promise<void> {
    const { clock, tls } = this.#options;
    this.leave();
    if (tls && this.#server instanceof TlsServer) tls.unfollow(this.#server);
    const cancel = clock.after(graceMs, () => this.#server.closeAllConnections());
    // Ends idle connections at once, and calls back when all the others have ended too.
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    cancel();
  }

  #serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    void this.#handler.handle(request, response, expectsContinue);
  }
}

function createHttpServer(tls: TlsFiles | undefined, limits: RestDoorLimits): Server | TlsServer {
  const options: ServerOptions = {
    headersTimeout: limits.headTimeoutMs,
    requestTimeout: limits.requestTimeoutMs,
    connectionsCheckingInterval: limits.overdueCheckMs,
    keepAliveTimeout: limits.idleTimeoutMs,
    maxHeaderSize: maxHeadBytes,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveProbeMs,
  };
  if (!tls) return createServer(options);
  const { handshakeTimeoutMs: handshakeTimeout } = limits;
  return createTlsServer({
    ...options,
    ALPNProtocols: ['http/1.1'],
    handshakeTimeout,
  });
}
