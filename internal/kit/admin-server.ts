// Where probes and Prometheus ask: /livez says that the event loop turns, /readyz whether to send work here, /metrics
// everything else. Open, and therefore bound to loopback unless a setting says otherwise.
import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from './clock.ts';
import { Doorway, type DoorwayCounts } from './doorway.ts';
import type { HealthReport } from './health.ts';

export interface AdminServerOptions {
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly health: { report(): HealthReport };
  /** The page that Prometheus reads. */
  readonly metrics: { readonly contentType: string; page(): Promise<string> };
  /** What else a program has to tell, by path. */
  readonly pages?: Readonly<Record<string, Page>> | undefined;
}

export type Page = (headers: IncomingHttpHeaders) => Promise<Answer>;

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

const plain = 'text/plain; charset=utf-8';
const json = 'application/json';
/** Nobody is known here, and kubelets and Prometheus need a handful: the newest push the oldest out. */
const limits = { maxKnown: 64, maxStrangers: 64, maxStrangersPerAddress: 64, askWithinMs: 4_000 };

export class AdminServer {
  readonly #options: AdminServerOptions;
  readonly #server: Server;
  readonly #doorway: Doorway;

  constructor(options: AdminServerOptions) {
    this.#options = options;
    this.#server = createServer(
      { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000, keepAliveTimeout: 30_000 },
      (request, response) => void this.#serve(request, response),
    );
    this.#doorway = new Doorway({ limits, groupOf: () => undefined, clock: options.clock });
    this.#doorway.lookAfter(this.#server);
  }

  get doorway(): DoorwayCounts {
    return this.#doorway;
  }

  /** Rejects when the address is taken. */
  async listen(): Promise<AddressInfo> {
    const { host, port } = this.#options;
    this.#server.listen({ host, port });
    await once(this.#server, 'listening');
    return this.#server.address() as AddressInfo;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#doorway.asked(request.socket);
    const { status, type, body } = await this.#answer(request);
    response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  async #answer({ method, url, headers }: IncomingMessage): Promise<Answer> {
    if (method !== 'GET' && method !== 'HEAD') return { status: 405, type: plain, body: 'GET only\n' };
    const path = url?.split('?', 1)[0] ?? '';
    switch (path) {
      case '/livez':
        return { status: 200, type: plain, body: 'ok\n' };
      case '/readyz':
        return readiness(this.#options.health.report());
      case '/metrics':
        return this.#metrics();
      default:
        return this.#page(path, headers);
    }
  }

  async #page(path: string, headers: IncomingHttpHeaders): Promise<Answer> {
    const { pages = {} } = this.#options;
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    return page ? page(headers) : { status: 404, type: plain, body: '/livez, /readyz or /metrics\n' };
  }

  async #metrics(): Promise<Answer> {
    const { metrics } = this.#options;
    try {
      return { status: 200, type: metrics.contentType, body: await metrics.page() };
    } catch {
      return { status: 500, type: plain, body: 'the metrics could not be collected\n' };
    }
  }
}

function readiness({ healthy, checks }: HealthReport): Answer {
  return { status: healthy ? 200 : 503, type: json, body: JSON.stringify({ ready: healthy, checks }) };
}
