// An answer of the REST door, and its way onto the wire.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../kit/clock.ts';
import { endAfterRequest, isUnread } from '../http/end-after-request.ts';
import { endConnection } from '../http/exchange.ts';

export interface Reply {
  readonly status: number;
  readonly type: string;
  /** Not as bytes: a string leaves in one write with its head. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface SendOptions {
  readonly clock: Clock;
  readonly requestId: string;
  /** Without any progress for so long, the reader is given up. */
  readonly writeTimeoutMs: number;
}

export function json(status: number, body: object): Reply {
  return jsonText(status, JSON.stringify(body));
}

export function jsonText(status: number, text: string): Reply {
  return { status, type: 'application/json', text };
}

export function send(request: IncomingMessage, response: ServerResponse, reply: Reply, options: SendOptions): void {
  if (response.destroyed) return;
  const { status, type, text, headers } = reply;
  const unread = isUnread(request);
  if (unread) endConnection(request, response);
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': options.requestId,
    ...headers,
  });
  response.setTimeout(options.writeTimeoutMs, () => response.destroy());
  if (!unread) {
    response.end(text);
    return;
  }
  if (request.method !== 'HEAD') response.write(text);
  endAfterRequest(request, response, options.clock);
}
