// The end of an answer to somebody who still sends: to close on them would reset the connection, and the answer with it.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Http2ServerRequest } from 'node:http2';
import type { Clock } from '../../../kit/clock.ts';

/** How long the rest of a request that nobody wants is read and dropped, so that its sender comes to the answer. */
const lingerMs = 2_000;

/** Whether some of the request may still be on its way. */
export function isUnread(request: IncomingMessage | Http2ServerRequest): boolean {
  if (request.complete) return false;
  return !(request instanceof Http2ServerRequest && request.stream.endAfterHeaders);
}

/** Ends the answer, which is written, once the request has ended too or was given time enough. */
export function endAfterRequest(request: IncomingMessage, response: ServerResponse, clock: Clock): void {
  const end = () => {
    cancel();
    request.off('end', end).off('close', end);
    response.end();
  };
  const cancel = clock.after(lingerMs, end);
  request.once('end', end).once('close', end);
  request.resume();
}
