// A real HTTP origin with the habits that a proxy has to survive. It counts every hit, so that a test can say how often
// a job really arrived. Paths are listed in origin-routes.ts.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { Holds } from './holds.ts';
import { answer, type Hit } from './origin-routes.ts';
import { until } from './waiting.ts';

export interface OriginOptions {
  readonly host?: string;
  readonly port?: number;
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Hears of every request as it arrives. */
  readonly onHit?: (hit: Hit) => void;
}

const keptHits = 10_000;

export class Origin {
  readonly hits: Hit[] = [];
  /** Requests of /hold wait here until a test lets them go. */
  readonly holds = new Holds();
  readonly #server: Server;
  readonly #scheme: string;
  readonly #onHit: ((hit: Hit) => void) | undefined;
  #open = 0;

  private constructor({ tls, onHit }: OriginOptions) {
    this.#onHit = onHit;
    const onRequest = (request: IncomingMessage, response: ServerResponse) => this.#serve(request, response);
    this.#server = tls ? createTlsServer({ ...tls }, onRequest) : createServer(onRequest);
    this.#server.maxHeadersCount = 0;
    this.#scheme = tls ? 'https' : 'http';
  }

  static async start(options: OriginOptions = {}): Promise<Origin> {
    const origin = new Origin(options);
    origin.#server.listen(options.port ?? 0, options.host ?? '127.0.0.1');
    await once(origin.#server, 'listening');
    return origin;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** What AGENT_ALLOW_ENDPOINTS needs to reach it. */
  get endpoint(): string {
    return `127.0.0.1/32:${this.port}`;
  }

  /** Requests that it is at work on. */
  get open(): number {
    return this.#open;
  }

  url(path: string, host = '127.0.0.1'): string {
    return `${this.#scheme}://${host}:${this.port}${path}`;
  }

  hitsOf(marker: string): readonly Hit[] {
    return this.hits.filter((hit) => hit.marker === marker);
  }

  /** Resolves when requests with that marker have arrived. */
  async waitForHits(marker: string, count = 1, boundMs?: number): Promise<void> {
    await until(`${count} hits of ${marker}`, () => this.hitsOf(marker).length >= count, boundMs);
  }

  async close(): Promise<void> {
    this.holds.releaseAll();
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const marker = String(request.headers['x-marker'] ?? '');
    const { method = '', url: path = '', socket } = request;
    const hit: Hit = { method, path, marker, localAddress: socket.localAddress ?? '', state: 'open' };
    if (this.hits.length < keptHits) this.hits.push(hit);
    this.#onHit?.(hit);
    this.#open++;
    response.once('close', () => {
      this.#open--;
      hit.state = response.writableFinished ? 'answered' : 'abandoned';
    });
    answer({ request, response, holds: this.holds, hits: this.hits, marker }).catch(() => response.destroy());
  }
}
