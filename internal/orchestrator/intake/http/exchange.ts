// One request and its answer, in HTTP/1.1 or HTTP/2: what the handlers of the port share.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type AddressRange, clientAddress } from '../../channel/client-address.ts';

/** Of HTTP/2 both are those of Node's compatibility API, which has every member that is used here. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The caller waits for a sign before it sends the body. */
  readonly expectsContinue: boolean;
}

export interface HttpHandler {
  handle(exchange: Exchange): Promise<void>;
}

/** The value of a header that is given once. */
export function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : undefined;
}

/** The path, and the query without its question mark. */
export function targetOf({ url = '' }: IncomingMessage): { readonly path: string; readonly query: string } {
  const at = url.indexOf('?');
  return at === -1 ? { path: url, query: '' } : { path: url.slice(0, at), query: url.slice(at + 1) };
}

export function callerAddress(request: IncomingMessage, trusted: readonly AddressRange[]): string {
  return clientAddress(request.socket.remoteAddress, headerOf(request, 'x-forwarded-for'), trusted);
}

/** The connection ends with this answer; one of HTTP/2 is told by GOAWAY instead. Before the head of the answer. */
export function endConnection(request: IncomingMessage, response: ServerResponse): void {
  if (request.httpVersionMajor === 1) response.setHeader('connection', 'close');
}

/** Calls back when the exchange is over; `answered` unless the caller went away before the answer's end. */
export function onceOver(response: ServerResponse, callback: (answered: boolean) => void): void {
  // Node finishes the stream of HTTP/2 that a caller resets; only we end it.
  response.once('close', () => callback(response.writableEnded && response.writableFinished));
}
