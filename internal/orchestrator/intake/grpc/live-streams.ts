// grpc-js answers a path it does not know, or a content type that is not gRPC's, without asking whether the stream is
// still there. Such a call with broken HTTP/2 behind it in one write made it throw where nobody can catch, and the
// process ended. So it hears only of streams that live. Remove when grpc-js asks by itself.
import type { Http2Server, ServerHttp2Stream } from 'node:http2';
import type { Server } from '@grpc/grpc-js';

type StreamListener = (stream: ServerHttp2Stream, ...rest: unknown[]) => void;

/** After an injector was made. */
export function onlyLiveStreams(server: Server): void {
  for (const http2Server of http2ServersOf(server)) {
    const listeners = http2Server.listeners('stream') as StreamListener[];
    http2Server.removeAllListeners('stream');
    for (const listener of listeners) http2Server.on('stream', whileAlive(listener));
  }
}

/** The HTTP/2 servers behind the injectors, which grpc-js keeps to itself. */
export function http2ServersOf(server: Server): readonly Http2Server[] {
  const { http2Servers } = server as unknown as { readonly http2Servers?: ReadonlyMap<Http2Server, unknown> };
  if (!http2Servers || http2Servers.size === 0) throw new Error('this grpc-js keeps its HTTP/2 servers elsewhere');
  return [...http2Servers.keys()];
}

function whileAlive(listener: StreamListener): StreamListener {
  return (stream, ...rest) => {
    if (stream.destroyed || stream.closed) stream.on('error', ignore);
    else listener(stream, ...rest);
  };
}

/** Nobody waits for an answer on it. */
function ignore(): void {}
