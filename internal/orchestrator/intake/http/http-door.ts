// The HTTP port: one listener, plain or with a certificate that is renewed in place, that hands each request to Connect
// and gRPC-Web or to REST by its path, and gives nobody more time than an honest caller needs.
import { once } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Http2SecureServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { Doorway, type DoorwayCounts } from '../../../kit/doorway.ts';
import type { TimerWheel } from '../../../kit/timer-wheel.ts';
import type { TlsFiles } from '../../../kit/tls-files.ts';
import { isLoopback, strangerGroup } from '../../channel/client-address.ts';
import { ConnectHandler, type ConnectHandlerOptions } from '../connect/connect-handler.ts';
import { RestHandler, type RestHandlerOptions } from '../rest/rest-handler.ts';
import { Cors } from './cors.ts';
import { endConnection } from './exchange.ts';
import { defaultHttpLimits, type HttpLimits, plainServer, tlsServer } from './http-server.ts';

export interface HttpDoorOptions
  extends Omit<RestHandlerOptions & ConnectHandlerOptions, 'writeTimeoutMs' | 'doorway' | 'pace'> {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Started already; undefined: plain. */
  readonly tls: TlsFiles | undefined;
  /** Plain off loopback, because a proxy in front terminates TLS. */
  readonly allowPlaintext: boolean;
  readonly wheel: TimerWheel;
  /** Whose pages may call from a browser. */
  readonly corsOrigins: readonly string[];
  readonly limits?: Partial<HttpLimits>;
}

export class HttpDoor {
  readonly #options: HttpDoorOptions;
  readonly #rest: RestHandler;
  readonly #connect: ConnectHandler;
  readonly #cors: Cors;
  readonly #secure: Http2SecureServer | undefined;
  readonly #server: Server | Http2SecureServer;
  readonly #doorway: Doorway;
  #leaving = false;

  constructor(options: HttpDoorOptions) {
    this.#options = options;
    const limits = { ...defaultHttpLimits, ...options.limits };
    const { writeTimeoutMs } = limits;
    const { clock, trustedProxies, wheel } = options;
    const doorway = new Doorway({ limits, groupOf: strangerGroup(trustedProxies), clock });
    this.#doorway = doorway;
    const pace = { ...limits, wheel };
    this.#rest = new RestHandler({ ...options, doorway, pace, writeTimeoutMs });
    this.#connect = new ConnectHandler({ ...options, doorway, pace, writeTimeoutMs });
    this.#cors = new Cors(options.corsOrigins);
    this.#secure = options.tls ? tlsServer(limits, clock) : undefined;
    this.#server = this.#secure ?? plainServer(limits);
    doorway.lookAfter(this.#server);
    this.#server.on('request', (request: IncomingMessage, response: ServerResponse) =>
      this.#serve(request, response, false),
    );
    this.#server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) =>
      this.#serve(request, response, true),
    );
  }

  get doorway(): DoorwayCounts {
    return this.#doorway;
  }

  /** Rejects when it may not be plain, or the address is taken. */
  async start(): Promise<AddressInfo> {
    const { host, port, tls, allowPlaintext } = this.#options;
    if (!tls && !allowPlaintext && !isLoopback(host))
      throw new Error(`HTTP would listen on ${host} without TLS: give a certificate, or allow plaintext by name`);
    if (this.#secure) tls?.follow(this.#secure);
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    return this.#server.address() as AddressInfo;
  }

  /** From now on every answer ends its connection, so that callers come back through the balancer. */
  leave(): void {
    this.#leaving = true;
  }

  /** Takes no more connections, waits for answers at most `graceMs`, then breaks off what is left. */
  async stop(graceMs: number): Promise<void> {
    const { clock, tls, agents, durable } = this.#options;
    this.leave();
    agents.endWatches();
    durable.endWatches();
    if (this.#secure) tls?.unfollow(this.#secure);
    const cancel = clock.after(graceMs, () => this.#doorway.destroyAll());
    // Ends idle connections at once, says GOAWAY to those of HTTP/2, and calls back when all have ended.
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    cancel();
  }

  #serve(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    this.#doorway.asked(request.socket);
    if (this.#leaving) endConnection(request, response);
    if (this.#cors.answer(request, response)) return;
    const handler = this.#connect.serves(request) ? this.#connect : this.#rest;
    void handler.handle({ request, response, expectsContinue });
  }
}
