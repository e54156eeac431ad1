// Which pages of other origins may call from a browser: none, unless they are named. The lists of headers are those of
// the protocols, and what REST uses besides.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { cors as lists } from '@connectrpc/connect';
import { headerOf } from './exchange.ts';

const allowedMethods = [...lists.allowedMethods, 'DELETE'].join(', ');
const allowedHeaders = [
  ...lists.allowedHeaders,
  'Authorization',
  'X-Request-Id',
  'Traceparent',
  'Idempotency-Key',
  'Last-Event-ID',
].join(', ');
const exposedHeaders = [
  ...lists.exposedHeaders,
  'X-Request-Id',
  'Location',
  'Retry-After',
  'Proxy-Status',
  'WWW-Authenticate',
].join(', ');
/** As long as browsers take. */
const maxAgeSeconds = '7200';

export class Cors {
  readonly #origins: ReadonlySet<string>;
  readonly #anybody: boolean;

  /** Exact origins, such as https://app.example.org; `*` lets every page in. */
  constructor(origins: readonly string[]) {
    this.#origins = new Set(origins);
    this.#anybody = this.#origins.has('*');
  }

  /** Adds what the browser asks for. True when the request was a preflight, which is answered herewith. */
  answer(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#origins.size === 0) return false;
    const origin = headerOf(request, 'origin');
    if (!this.#anybody) response.setHeader('vary', 'Origin');
    if (origin === undefined || !(this.#anybody || this.#origins.has(origin))) return false;
    response.setHeader('access-control-allow-origin', this.#anybody ? '*' : origin);
    response.setHeader('access-control-expose-headers', exposedHeaders);
    if (request.method !== 'OPTIONS' || headerOf(request, 'access-control-request-method') === undefined) return false;
    response.writeHead(204, {
      'access-control-allow-methods': allowedMethods,
      'access-control-allow-headers': allowedHeaders,
      'access-control-max-age': maxAgeSeconds,
    });
    response.end();
    return true;
  }
}
