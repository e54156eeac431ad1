// Where probes and Prometheus ask the operator: /livez, /readyz and /metrics.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ProbeServerOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined when ready, else what it waits for. */
  readonly unready: () => string | undefined;
  readonly metrics: { readonly contentType: string; page(): Promise<string> };
}

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly type?: string;
}

const maxConnections = 64;

export class ProbeServer {
  readonly #options: ProbeServerOptions;
  readonly #server: Server;

  constructor(options: ProbeServerOptions) {
    this.#options = options;
    this.#server = createServer({ headersTimeout: 5_000, requestTimeout: 5_000, keepAliveTimeout: 30_000 });
    this.#server.maxConnections = maxConnections;
    this.#server.on('request', ({ url = '' }, response) => {
      void this.#answer(url.split('?', 1)[0] ?? '').then(({ status, body, type = 'text/plain; charset=utf-8' }) => {
        response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' }).end(body);
      });
    });
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

  async #answer(path: string): Promise<Answer> {
    switch (path) {
      case '/livez':
        return { status: 200, body: 'ok\n' };
      case '/readyz': {
        const why = this.#options.unready();
        return why === undefined ? { status: 200, body: 'ok\n' } : { status: 503, body: `${why}\n` };
      }
      case '/metrics':
        return { status: 200, body: await this.#options.metrics.page(), type: this.#options.metrics.contentType };
      default:
        return { status: 404, body: '/livez, /readyz or /metrics\n' };
    }
  }
}
