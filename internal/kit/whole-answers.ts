// For the clients of tests that speak HTTP/2. Node 24.20 and 24.21 take an answer that has come whole before its reader
// for one that was cut short (https://github.com/nodejs/node/issues/65677): a hundred callers of connect-node on one
// connection, to whatever server, lose calls with ERR_STREAM_PREMATURE_CLOSE. Here a pipe reads in the reader's place.
import type { ClientHttp2Stream } from 'node:http2';
import { PassThrough } from 'node:stream';
import { Http2SessionManager } from '@connectrpc/connect-node';

export class WholeAnswers extends Http2SessionManager {
  override async request(...call: Parameters<Http2SessionManager['request']>): Promise<ClientHttp2Stream> {
    const stream = await super.request(...call);
    return Object.assign(stream, { [Symbol.asyncIterator]: () => bodyOf(stream) });
  }
}

function bodyOf(stream: ClientHttp2Stream): NodeJS.AsyncIterator<Buffer> {
  const body = new PassThrough();
  // Whoever reads hears of it all the same.
  body.on('error', () => {});
  const closed = () => {
    if (!stream.readableEnded) body.destroy(new Error('the answer was cut short'));
  };
  if (stream.destroyed) closed();
  else stream.once('close', closed);
  return stream.pipe(body)[Symbol.asyncIterator]();
}
