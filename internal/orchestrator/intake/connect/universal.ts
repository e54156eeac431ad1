// Node's request and answer as the library wants them. Its own adapter destroys the connection of a request that it
// stops reading, and with it the answer; waits without a bound for a reader; and hears nothing of one that went away.
import { createContextValues } from '@connectrpc/connect';
import type { UniversalServerRequest, UniversalServerResponse } from '@connectrpc/connect/protocol';
import type { Clock } from '../../../kit/clock.ts';
import { JobFailure } from '../../failure/failures.ts';
import { messageTooLarge } from '../foreign-failure.ts';
import { BodyPace, type PaceOptions } from '../http/body-pace.ts';
import { endAfterRequest, isUnread } from '../http/end-after-request.ts';
import { type Exchange, endConnection, headerOf } from '../http/exchange.ts';
import { bounds } from '../validate/bounds.ts';
import type { ConnectCall } from './connect-call.ts';
import { toConnectError } from './connect-failure.ts';
import { callKey } from './services.ts';

/** What the library reads of a head; time and length are ours to keep. */
const headersRead = [
  'content-type',
  'content-encoding',
  'accept-encoding',
  'connect-protocol-version',
  'connect-content-encoding',
  'connect-accept-encoding',
  'grpc-encoding',
  'grpc-accept-encoding',
];
/** The frame around a message of a stream. */
const envelopeBytes = 5;

export function toUniversal(
  exchange: Exchange,
  path: string,
  call: ConnectCall,
  pace: PaceOptions,
): UniversalServerRequest {
  const { request } = exchange;
  const header = new Headers();
  for (const name of headersRead) {
    const value = headerOf(request, name);
    if (value !== undefined) header.set(name, value);
  }
  return {
    httpVersion: request.httpVersion,
    method: request.method ?? '',
    url: `http://resproxy${path}`,
    header,
    body: bodyOf(exchange, call.signal, pace),
    signal: call.signal,
    contextValues: createContextValues().set(callKey, call),
  };
}

async function* bodyOf(
  { request }: Exchange,
  signal: AbortSignal,
  options: PaceOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const isJson = request.headers['content-type']?.includes('json') ?? false;
  const maxBytes = isJson ? bounds.maxJsonBytes : bounds.maxMessageBytes;
  const tooLarge = () => toConnectError(messageTooLarge(maxBytes));
  if (Number(headerOf(request, 'content-length') ?? 0) > maxBytes + envelopeBytes) throw tooLarge();
  let length = 0;
  const slow = Promise.withResolvers<never>();
  const pace = new BodyPace(options, (detail) =>
    slow.reject(toConnectError(new JobFailure('INVALID_REQUEST', { detail }))),
  );
  const chunks: AsyncIterator<Buffer, void> = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const { done, value: chunk } = await Promise.race([chunks.next(), slow.promise]);
      if (done) break;
      length += chunk.length;
      pace.moved(chunk.length);
      if (length > maxBytes + envelopeBytes) throw tooLarge();
      yield chunk;
    }
  } catch (error) {
    // A request that breaks off is its caller going away.
    throw request.errored ? toConnectError(new JobFailure('CANCELLED')) : error;
  } finally {
    pace.stop();
    // Lets go of the request, whose rest may still be dropped.
    void chunks.return?.();
  }
  // HTTP/2 ends the body of a stream that was reset as if it were whole.
  if (signal.aborted || request.aborted) throw toConnectError(new JobFailure('CANCELLED'));
}

/** What the library leaves out when it refuses a request as HTTP. */
const hints: ReadonlyMap<number, Record<string, string>> = new Map<number, Record<string, string>>([
  // RFC 9110, 11.6.1; what is wrong with a token stands in the error.
  [401, { 'www-authenticate': 'Bearer' }],
  [405, { allow: 'POST' }],
  [415, { 'accept-post': 'application/json, application/proto, application/grpc-web+proto' }],
]);

export interface WriteOptions {
  readonly clock: Clock;
  /** Without any progress for so long, the reader is given up. */
  readonly writeTimeoutMs: number;
}

/** Writes as fast as the caller reads, and asks the service for no more than that. */
export async function writeAnswer(
  { request, response }: Exchange,
  answer: UniversalServerResponse,
  gone: AbortSignal,
  options: WriteOptions,
): Promise<void> {
  if (gone.aborted) return;
  const unread = isUnread(request);
  if (unread) endConnection(request, response);
  response.writeHead(answer.status, { ...Object.fromEntries(answer.header ?? []), ...hints.get(answer.status) });
  for await (const bytes of answer.body ?? []) {
    if (gone.aborted) return;
    if (!response.write(bytes)) await drained(response, options);
  }
  if (gone.aborted) return;
  response.setTimeout(options.writeTimeoutMs, () => response.destroy());
  if (unread) endAfterRequest(request, response, options.clock);
  else response.end();
}

/** Until there is room again, or the caller is gone. */
function drained(response: Exchange['response'], { clock, writeTimeoutMs }: WriteOptions): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      response.off('drain', done).off('close', done);
      resolve();
    };
    const cancel = clock.after(writeTimeoutMs, () => response.destroy());
    response.once('drain', done).once('close', done);
  });
}
