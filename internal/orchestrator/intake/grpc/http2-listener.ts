// The listener in front of grpc-js: TLS with a certificate that is renewed in place, a doorway that keeps every socket,
// so that closing leaves none, and nothing but HTTP/2 let through.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket, Server as TlsServer } from 'node:tls';
import type { Doorway } from '../../../kit/doorway.ts';
import type { TlsFiles } from '../../../kit/tls-files.ts';
import { awaitPreface } from './preface.ts';

export interface Http2ListenerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Started already; undefined: plain. */
  readonly tls: TlsFiles | undefined;
  readonly doorway: Doorway;
  /** For the TLS handshake. */
  readonly handshakeTimeoutMs: number;
  readonly onConnection: (socket: Socket) => void;
}

export class Http2Listener {
  readonly #options: Http2ListenerOptions;
  readonly #server: Server;

  constructor(options: Http2ListenerOptions) {
    this.#options = options;
    this.#server = options.tls ? this.#tlsServer() : this.#plainServer();
    options.doorway.lookAfter(this.#server);
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
    const { tls, doorway } = this.#options;
    if (tls && this.#server instanceof TlsServer) tls.unfollow(this.#server);
    this.#server.close();
    return doorway.onceEmpty();
  }

  #plainServer(): Server {
    return createServer({ noDelay: true }, (socket) => awaitPreface(socket, this.#options.onConnection));
  }

  #tlsServer(): Server {
    const { handshakeTimeoutMs: handshakeTimeout } = this.#options;
    const options = {
      ALPNProtocols: ['h2'],
      handshakeTimeout,
      noDelay: true,
    } as const;
    return createTlsServer(options, (socket: TLSSocket) => {
      if (socket.alpnProtocol === 'h2') awaitPreface(socket, this.#options.onConnection);
      else socket.destroy();
    });
  }
}
