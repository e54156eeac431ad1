// The end of an answer to somebody who still sends. In HTTP/1.1 to close on them would reset the connection, and the
// answer with it; in HTTP/2 a stream that nobody ends would hold the place of its call.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { constants, Http2ServerRequest } from 'node:http2';
import type { Clock } from '../../../kit/clock.ts';

/** How long the rest of a request that nobody wants is read and dropped, so that its sender comes to the answer. */
const lingerMs = 2_000;

/** Whether some of the request may still be on its way. */
export function isUnread(request: IncomingMessage | Http2ServerRequest): boolean {
  if (request.complete) return false;
  return !(request instanceof Http2ServerRequest && request.stream.endAfterHeaders);
}

/** Ends the answer, which is written, without waiting for the rest of the request longer than the answer needs. */
export function endAfterRequest(
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse,
  clock: Clock,
): void {
  if (request instanceof Http2ServerRequest) endStream(request, response);
  else endOnceSent(request, response, clock);
  request.resume();
}

/** The answer whole, then RST_STREAM with NO_ERROR: the rest is not wanted (RFC 9113 8.1). */
function endStream({ stream }: Http2ServerRequest, response: ServerResponse): void {
  stream.once('finish', () => stream.close(constants.NGHTTP2_NO_ERROR));
  response.end();
}

/** Once the request has ended too, or was given time enough. */
function endOnceSent(request: IncomingMessage, response: ServerResponse, clock: Clock): void {
  const end = () => {
    cancel();
    request.off('end', end).off('close', end);
    response.end();
  };
  const cancel = clock.after(lingerMs, end);
  request.once('end', end).once('close', end);
}
