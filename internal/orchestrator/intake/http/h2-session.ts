// An HTTP/2 connection gives nobody more time than an HTTP/1.1 connection does, to the end of a request and between two:
// node:http2 by itself keeps an idle one for ever. Who makes no request at all is the doorway's concern.
import { constants, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { CancelTimer, Clock } from '../../../kit/clock.ts';

export interface H2Limits {
  /** To the end of a request's body. */
  readonly requestTimeoutMs: number;
  /** Without a request. */
  readonly idleTimeoutMs: number;
}

export function watchSession(session: ServerHttp2Session, limits: H2Limits, clock: Clock): void {
  // Says GOAWAY with the last request that was taken, so that one which crosses it can be sent again.
  const cut = () => session.destroy();
  let cancel: CancelTimer = () => {};
  let open = 0;
  session.on('stream', (stream: ServerHttp2Stream) => {
    open++;
    cancel();
    watchRequest(stream, limits.requestTimeoutMs, clock);
    stream.once('close', () => {
      open--;
      if (open === 0 && !session.destroyed) cancel = clock.after(limits.idleTimeoutMs, cut);
    });
  });
  session.once('close', () => cancel());
}

function watchRequest(stream: ServerHttp2Stream, timeoutMs: number, clock: Clock): void {
  if (stream.endAfterHeaders) return;
  const cancel = clock.after(timeoutMs, () => stream.close(constants.NGHTTP2_CANCEL));
  stream.once('end', cancel);
  stream.once('close', cancel);
}
