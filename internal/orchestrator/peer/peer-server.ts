// Where other pods dial: TLS, HTTP/2, one call per connection. Whoever is not a pod is told so in gRPC's words and cut;
// until PEER_HELLO a stranger holds nothing here for longer than a few seconds.
import { once } from 'node:events';
import { type IncomingHttpHeaders, performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import type { AgentOrder } from '../../../gen/resproxy/v1/channel_pb.ts';
import { closeCode } from '../../wire/names.ts';
import type { AcceptedStream } from '../../wire/stream-api.ts';
import type { ConnectionEnd } from '../../wire/transport.ts';
import { FailureBudget } from '../channel/failure-budget.ts';
import { statusHeaders } from './close-status.ts';
import { drained } from './drained.ts';
import { Http2Transport, http2Options } from './http2-transport.ts';
import { PeerConnection, type PeerDeps } from './peer-connection.ts';
import type { PeerCredential } from './peer-credential.ts';
import { grpcContentType } from './peer-dial.ts';
import type { PeerGreeting } from './peer-hello.ts';
import { peerLimits } from './peer-limits.ts';
import { type PeerRefusal, refusalOf, refusals } from './peer-refusal.ts';

export interface PeerServerOptions extends PeerDeps {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Started already. */
  readonly credential: PeerCredential;
  /** A pod sent a job. */
  readonly onStream: (stream: AcceptedStream, podId: string) => void;
  /** Answers how many connections of the agent the order reached. */
  readonly onOrder: (order: Pick<AgentOrder, 'agentId' | 'kind'>, podId: string) => number;
}

const ignore = (): void => {};

export class PeerServer {
  readonly #options: PeerServerOptions;
  readonly #server: Server;
  readonly #failures: FailureBudget;
  readonly #sockets = new Set<Socket>();
  /** Those that have said PEER_HELLO. */
  readonly #connections = new Set<PeerConnection>();

  constructor(options: PeerServerOptions) {
    this.#options = options;
    const { failureBurst: burst, failureForgivenMs: forgivenMs } = peerLimits;
    this.#failures = new FailureBudget(options.clock, { burst, forgivenMs });
    this.#server = createServer(
      {
        ...options.credential.serverOptions,
        ALPNProtocols: ['h2'],
        handshakeTimeout: peerLimits.handshakeTimeoutMs,
        noDelay: true,
      },
      (socket) => this.#onSecure(socket),
    );
    this.#server.maxConnections = peerLimits.maxConnections;
    this.#server.on('connection', (socket: Socket) => this.#onConnection(socket));
    this.#server.on('tlsClientError', (error, socket) =>
      this.#onRefused(socket, String(socket.authorizationError ?? reasonOf(error))),
    );
  }

  /** Links of other pods that are up. */
  get size(): number {
    return this.#connections.size;
  }

  /** Rejects when the address is taken. */
  async start(): Promise<AddressInfo> {
    const { host, port, credential, log } = this.#options;
    credential.follow(this.#server);
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    this.#server.on('error', (error) => log.error({ reason: reasonOf(error) }, 'the peer listener failed'));
    return this.#server.address() as AddressInfo;
  }

  /** Takes no more connections; those that are there serve until their streams are over, at most for the grace. */
  async close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#options.credential.unfollow(this.#server);
    await drained(this.#connections, graceMs, this.#options.clock);
    for (const connection of [...this.#connections]) connection.close(closeCode.drained, 'this pod goes away');
    const cancelLinger = this.#options.clock.after(peerLimits.closeLingerMs, () => this.#destroyAll());
    await closed;
    cancelLinger();
  }

  #destroyAll(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #onConnection(socket: Socket): void {
    if (this.#sockets.size - this.#connections.size >= peerLimits.maxHandshakes) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  /** The handshake is over; a client certificate, where one is asked for, is of our authority. */
  #onSecure(socket: TLSSocket): void {
    const { clock } = this.#options;
    socket.on('error', ignore);
    if (socket.alpnProtocol !== 'h2') return void socket.destroy();
    const cancel = clock.after(peerLimits.greetingTimeoutMs, () => {
      this.#onRefused(socket, 'no PEER_HELLO in time');
      socket.destroy();
    });
    socket.once('close', cancel);
    const session = performServerHandshake(socket, http2Options);
    session.on('error', ignore);
    session.once('connect', () => session.setLocalWindowSize(peerLimits.http2WindowBytes));
    session.once('stream', (stream, headers) => this.#onCall(stream, headers, socket, cancel));
  }

  #onCall(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, socket: TLSSocket, greeted: () => void): void {
    stream.on('error', ignore);
    // Reset in the same packet: an answer would throw.
    if (stream.destroyed || stream.closed) return void socket.destroy();
    const refusal = this.#judge(headers, socket);
    if (refusal) return this.#refuse(stream, refusal, socket);
    stream.respond({ ':status': 200, 'content-type': grpcContentType }, { waitForTrailers: true });
    this.#link(new Http2Transport(stream, socket, this.#options.clock), greeted);
  }

  #judge(headers: IncomingHttpHeaders, socket: TLSSocket): PeerRefusal | undefined {
    if (!this.#options.credential.admits(socket, headers.authorization)) return refusals.notAPeer;
    return refusalOf(headers);
  }

  #refuse(stream: ServerHttp2Stream, { status, grpcStatus, message }: PeerRefusal, socket: TLSSocket): void {
    const headers = { ':status': status, 'content-type': grpcContentType, ...statusHeaders(grpcStatus, message) };
    stream.respond(headers, { endStream: true });
    stream.once('close', () => socket.destroy());
    stream.resume();
    this.#onRefused(socket, message);
  }

  /** Says so in the log, but not for ever: an address that fails all the time is only cut. */
  #onRefused(socket: Socket, reason: string): void {
    const { remoteAddress: address = '' } = socket;
    if (!this.#failures.spend(address)) this.#options.log.warn({ address, reason }, 'a peer was refused');
  }

  #link(transport: Http2Transport, cancelTimeout: () => void): void {
    const { podId: ownId, log, onStream, onOrder } = this.#options;
    let peer = '';
    const owner = {
      greeted: ({ podId }: PeerGreeting) => {
        peer = podId;
        if (podId === ownId) return connection.close(closeCode.protocolError, 'this pod has the same name');
        cancelTimeout();
        this.#connections.add(connection);
        log.info({ peer: podId }, 'a pod linked itself to this one');
      },
      ended: ({ code, reason }: ConnectionEnd) => {
        if (this.#connections.delete(connection)) log.info({ peer, code, reason }, 'the link of a pod ended');
      },
      stream: onStream,
      order: onOrder,
    };
    const connection: PeerConnection = new PeerConnection({ role: 'acceptor', owner }, transport, this.#options);
  }
}

function reasonOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}
