// The listener in front of grpc-js: TLS with a certificate that is renewed in place, a bound on connections, and
// nothing but HTTP/2 let through. It owns every socket, so that closing it leaves none.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, Server as TlsServer } from 'node:tls';
import type { Clock } from '../../../kit/clock.ts';
import type { TlsFiles } from '../../../kit/tls-files.ts';
import { awaitPreface } from './preface.ts';

export interface Http2ListenerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Started already; undefined: plain. */
  readonly tls: TlsFiles | undefined;
  readonly clock: Clock;
  /** For the TLS handshake, and again for the preface. */
  readonly handshakeTimeoutMs: number;
  readonly maxConnections: number;
  readonly onConnection: (socket: Socket) => void;
}

export class Http2Listener {
  readonly #options: Http2ListenerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #emptied = Promise.withResolvers<void>();
  #accepting = true;

  constructor(options: Http2ListenerOptions) {
    this.#options = options;
    this.#server = options.tls ? this.#tlsServer() : this.#plainServer();
    this.#server.maxConnections = options.maxConnections;
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#forget(socket));
    });
  }

  async start(): Promise<AddressInfo> {
    const { host, port, tls } = this.#options;
    if (tls && this.#server instanceof TlsServer) tls.follow(this.#server);
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    return this.#server.address() as AddressInfo;
  }

  /** Takes no more connections; those that are there stay. Resolves when the last of them has ended. */
  stopAccepting(): Promise<void> {
    const { tls } = this.#options;
    if (tls && this.#server instanceof TlsServer) tls.unfollow(this.#server);
    this.#server.close();
    this.#accepting = false;
    if (this.#sockets.size === 0) this.#emptied.resolve();
    return this.#emptied.promise;
  }

  destroyConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #forget(socket: Socket): void {
    this.#sockets.delete(socket);
    if (!this.#accepting && this.#sockets.size === 0) this.#emptied.resolve();
  }

  #plainServer(): Server {
    return createServer({ noDelay: true }, (socket) => this.#awaitPreface(socket));
  }

  #tlsServer(): Server {
    const { handshakeTimeoutMs: handshakeTimeout } = this.#options;
    const options = {
      ALPNProtocols: ['h2'],
      handshakeTimeout,
      noDelay: true,
    } as const;
    return createTlsServer(options, (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') this.#awaitPreface(socket);
      else socket.destroy();
    });
  }

  #awaitPreface(socket: Socket): void {
    const { clock, handshakeTimeoutMs: timeoutMs, onConnection: onReady } = this.#options;
    awaitPreface(socket, { clock, timeoutMs, onReady });
  }
}
