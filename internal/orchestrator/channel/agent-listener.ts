// Where agents connect: an HTTP or HTTPS server that knows one path and upgrades it to a WebSocket for whoever shows a
// valid key. Until then a stranger holds nothing here for longer than a few seconds.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer, Server as TlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock, Random } from '../../kit/clock.ts';
import { Doorway, type DoorwayCounts, type DoorwayLimits } from '../../kit/doorway.ts';
import type { Logger } from '../../kit/log.ts';
import type { TlsFiles } from '../../kit/tls-files.ts';
import { channelPath, subprotocol } from '../../wire/names.ts';
import { WebSocketTransport, webSocketOptions } from '../../wire/websocket-transport.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import { channelLimits } from './channel-limits.ts';
import { type AddressRange, clientAddress, isLoopback, strangerGroup } from './client-address.ts';
import type { Arrival } from './connection-api.ts';
import { FailureBudget } from './failure-budget.ts';
import { type Refusal, refusalBody, refusalHeaders, refuseUpgrade } from './upgrade-refusal.ts';

export interface AgentListenerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Started already; undefined: plain. */
  readonly tls: TlsFiles | undefined;
  /** Plain off loopback, because a proxy in front terminates TLS. */
  readonly allowPlaintext: boolean;
  readonly trustedProxies: readonly AddressRange[];
  readonly keyring: Pick<Keyring, 'authenticate'>;
  readonly connections: AgentReception;
  readonly limits?: Partial<DoorwayLimits>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Who takes the agents over. */
export interface AgentReception {
  readonly hasRoom: boolean;
  accept(arrival: Arrival): void;
}

type Verdict =
  | { readonly kind: 'welcome'; readonly policy: KeyPolicy; readonly address: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

const badUpgrade: Refusal = { status: 400, error: 'not a WebSocket upgrade', retryable: false };
const wrongPath: Refusal = { status: 404, error: `agents connect at ${channelPath}`, retryable: false };
const wrongProtocol: Refusal = { status: 426, error: `speak WebSocket with ${subprotocol}`, retryable: false };
const { refusedRetryAfterS } = channelLimits;
const refusedKeyAllowance = { burst: channelLimits.failureBurst, forgivenMs: channelLimits.failureForgivenMs };
const refusedKeys = {
  unknown: { status: 401, error: 'the key is not valid', retryable: false, retryAfterS: refusedRetryAfterS },
  suspended: { status: 403, error: 'the key is suspended', retryable: false, retryAfterS: refusedRetryAfterS },
  expired: { status: 403, error: 'the key has expired', retryable: false, retryAfterS: refusedRetryAfterS },
} as const satisfies Record<string, Refusal>;
const tooManyFailures: Refusal = {
  status: 429,
  error: 'too many refused keys from this address',
  retryable: true,
  retryAfterS: refusedRetryAfterS,
};

export class AgentListener {
  readonly #options: AgentListenerOptions;
  readonly #server: Server | TlsServer;
  readonly #webSockets = new WebSocketServer({
    ...webSocketOptions,
    noServer: true,
    clientTracking: false,
    handleProtocols: () => subprotocol,
  });
  readonly #failures: FailureBudget;
  readonly #doorway: Doorway;
  #accepting = true;

  constructor(options: AgentListenerOptions) {
    this.#options = options;
    const { clock, trustedProxies } = options;
    this.#failures = new FailureBudget(clock, refusedKeyAllowance);
    const limits = { ...channelLimits.doorway, ...options.limits };
    this.#doorway = new Doorway({ limits, groupOf: strangerGroup(trustedProxies), clock });
    this.#server = createHttpServer(options.tls !== undefined, (request, response) => {
      this.#doorway.asked(request.socket);
      const refusal = pathOf(request) === channelPath ? wrongProtocol : wrongPath;
      response.writeHead(refusal.status, refusalHeaders(refusal)).end(refusalBody(refusal));
    });
    this.#doorway.lookAfter(this.#server);
    this.#server.on('upgrade', (request: IncomingMessage, _socket, head) => this.#onUpgrade(request, head));
    this.#webSockets.on('wsClientError', (_error, socket) => refuseUpgrade(socket, badUpgrade));
  }

  get doorway(): DoorwayCounts {
    return this.#doorway;
  }

  /** Rejects when it may not be plain, or the address is taken. */
  async start(): Promise<AddressInfo> {
    const { host, port, tls, allowPlaintext, log } = this.#options;
    if (!tls && !allowPlaintext && !isLoopback(host))
      throw new Error(`agents would connect to ${host} without TLS: give a certificate, or allow plaintext by name`);
    if (tls && this.#server instanceof TlsServer) tls.follow(this.#server);
    this.#server.listen({ host, port, backlog: channelLimits.acceptBacklog });
    await once(this.#server, 'listening');
    this.#server.on('error', (error) => log.error({ code: errorCode(error) }, 'the agent listener failed'));
    return this.#server.address() as AddressInfo;
  }

  /** From now on upgrades are told to come back, which leads them to another pod. */
  stopAccepting(): void {
    this.#accepting = false;
  }

  /** Closes the port, and after a moment for the last close frames every socket that is left. */
  async close(): Promise<void> {
    const { clock, tls } = this.#options;
    this.stopAccepting();
    if (tls && this.#server instanceof TlsServer) tls.unfollow(this.#server);
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const cancelLinger = clock.after(channelLimits.closeLingerMs, () => this.#doorway.destroyAll());
    await closed;
    cancelLinger();
  }

  #onUpgrade(request: IncomingMessage, head: Buffer): void {
    const { socket } = request;
    const verdict = this.#judge(request);
    if (verdict.kind === 'refused') refuseUpgrade(socket, verdict.refusal);
    else this.#webSockets.handleUpgrade(request, socket, head, (ws) => this.#hand(ws, request, verdict));
  }

  /** Keeps no reference to the request: ten thousand idle agents would keep ten thousand of them. */
  #hand(ws: WebSocket, { socket }: IncomingMessage, { policy, address }: Extract<Verdict, { kind: 'welcome' }>): void {
    const { clock, connections } = this.#options;
    this.#doorway.vouchFor(socket);
    connections.accept({ transport: new WebSocketTransport(ws, socket, clock), policy, observedAddress: address });
  }

  #judge(request: IncomingMessage): Verdict {
    if (pathOf(request) !== channelPath) return refused(wrongPath);
    if (!offersSubprotocol(request)) return refused(wrongProtocol);
    if (!this.#accepting) return refused(this.#comeBack('this pod goes away'));
    if (!this.#options.connections.hasRoom) return refused(this.#comeBack('this pod has no room'));
    return this.#judgeKey(request);
  }

  /**
   * The key is looked at even when the address has failed too often: behind one proxy or one home router, somebody
   * else's bad key must not lock an honest agent out.
   */
  #judgeKey(request: IncomingMessage): Verdict {
    const { keyring, trustedProxies, log } = this.#options;
    const result = keyring.authenticate(bearer(request));
    const forwardedFor = request.headers['x-forwarded-for'];
    const address = clientAddress(request.socket.remoteAddress, String(forwardedFor ?? ''), trustedProxies);
    if (result.ok) return { kind: 'welcome', policy: result.policy, address };
    if (this.#failures.spend(address)) return refused(tooManyFailures);
    const refusal = refusedKeys[result.why];
    log.warn({ address, status: refusal.status }, `an agent was refused: ${refusal.error}`);
    return refused(refusal);
  }

  #comeBack(error: string): Refusal {
    const retryAfterS = 1 + Math.floor(this.#options.random() * channelLimits.busyRetryAfterS);
    return { status: 503, error, retryable: true, retryAfterS };
  }
}

function createHttpServer(tls: boolean, onRequest: RequestListener): Server | TlsServer {
  const options = {
    headersTimeout: channelLimits.handshakeTimeoutMs,
    requestTimeout: channelLimits.handshakeTimeoutMs,
    connectionsCheckingInterval: channelLimits.overdueCheckMs,
    maxHeaderSize: channelLimits.maxUpgradeHeadBytes,
  };
  if (!tls) return createServer(options, onRequest);
  const { handshakeTimeoutMs: handshakeTimeout } = channelLimits;
  return createTlsServer({ ...options, handshakeTimeout }, onRequest);
}

function refused(refusal: Refusal): Verdict {
  return { kind: 'refused', refusal };
}

function pathOf({ url = '' }: IncomingMessage): string {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
}

function offersSubprotocol({ headers }: IncomingMessage): boolean {
  const offered = headers['sec-websocket-protocol'] ?? '';
  return offered.split(',').some((name) => name.trim() === subprotocol);
}

function bearer({ headers }: IncomingMessage): string {
  return /^Bearer +(\S+) *$/i.exec(headers.authorization ?? '')?.[1] ?? '';
}

function errorCode(error: Error): string {
  return 'code' in error ? String(error.code) : error.name;
}
