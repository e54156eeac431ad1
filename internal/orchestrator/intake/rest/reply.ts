// An answer of the REST door, and its way onto the wire.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../../kit/clock.ts';

export interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface SendOptions {
  readonly clock: Clock;
  readonly requestId: string;
  /** The connection ends with this answer. */
  readonly lastOfConnection: boolean;
  /** Without any progress for so long, the reader is given up. */
  readonly writeTimeoutMs: number;
}

/** How long the rest of a request that nobody wants is read and dropped, so that its sender comes to the answer. */
const lingerMs = 2_000;

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return { status, type: 'application/json', body, headers };
}

export function send(request: IncomingMessage, response: ServerResponse, reply: Reply, options: SendOptions): void {
  if (response.destroyed) return;
  const bytes = Buffer.from(JSON.stringify(reply.body));
  const unread = !request.complete;
  response.writeHead(reply.status, {
    'content-type': reply.type,
    'content-length': bytes.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-request-id': options.requestId,
    ...(unread || options.lastOfConnection ? { connection: 'close' } : {}),
    ...reply.headers,
  });
  response.setTimeout(options.writeTimeoutMs, () => response.destroy());
  if (unread) endAfterRequest(request, response, bytes, options.clock);
  else response.end(bytes);
}

/** To close on somebody who still sends would reset the connection, and the answer with it. */
function endAfterRequest(request: IncomingMessage, response: ServerResponse, bytes: Buffer, clock: Clock): void {
  if (request.method !== 'HEAD') response.write(bytes);
  const end = () => {
    cancel();
    request.off('close', end);
    response.end();
  };
  const cancel = clock.after(lingerMs, end);
  request.once('close', end);
  request.resume();
}
