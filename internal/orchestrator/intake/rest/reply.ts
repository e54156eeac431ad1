// An answer of the REST door, and its way onto the wire.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../kit/clock.ts';
import { endAfterRequest, isUnread } from '../http/end-after-request.ts';
import { endConnection } from '../http/exchange.ts';

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface SendOptions {
  readonly clock: Clock;
  readonly requestId: string;
  /** Without any progress for so long, the reader is given up. */
  readonly writeTimeoutMs: number;
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, type: 'application/json', body, headers };
}

export function send(request: IncomingMessage, response: ServerResponse, reply: Reply, options: SendOptions): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(JSON.stringify(reply.body));
  const unread = isUnread(request);
  if (unread) endConnection(request, response);
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': options.requestId,
    ...reply.headers,
  });
  response.setTimeout(options.writeTimeoutMs, () => response.destroy());
  if (!unread) {
    response.end(bytes);
    return;
  }
  if (request.method !== 'HEAD') response.write(bytes);
  endAfterRequest(request, response, options.clock);
}
