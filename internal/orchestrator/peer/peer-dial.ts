// Dials another pod: TLS to an address that is no name, its certificate checked, then the one call. What this pod is
// known by is shown only to a pod whose certificate was good.
import {
  type ClientHttp2Stream,
  connect as connectHttp2,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { PeerService } from '../../../gen/resproxy/v1/peer_pb.ts';
import type { Clock } from '../../kit/clock.ts';
import { readMessage } from './close-status.ts';
import { Http2Transport, http2Options } from './http2-transport.ts';
import { parseAddress } from './peer-address.ts';
import { type PeerCredential, peerName } from './peer-credential.ts';
import { peerLimits } from './peer-limits.ts';

export const linkPath = `/${PeerService.typeName}/${PeerService.method.link.name}`;
export const grpcContentType = 'application/grpc';

export interface Dial {
  /** `10.0.0.7:9091` or `[fd00::7]:9091`. */
  readonly address: string;
  readonly credential: PeerCredential;
  readonly clock: Clock;
  /** Breaks off what has not been handed over yet. */
  readonly signal: AbortSignal;
}

const ignore = (): void => {};

/** Rejects with an Error whose message says what is wrong, and never holds the token. */
export async function dialPeer({ address, credential, clock, signal }: Dial): Promise<Http2Transport> {
  const dialled = Promise.withResolvers<Http2Transport>();
  const { host, port } = parseAddress(address);
  const socket = connectTls({ ...credential.clientOptions, host, port, ALPNProtocols: ['h2'] });
  const onAbort = () => socket.destroy();
  signal.addEventListener('abort', onAbort, { once: true });
  socket.setNoDelay(true);
  socket.on('error', (error) => dialled.reject(error));
  socket.once('close', () => {
    signal.removeEventListener('abort', onAbort);
    dialled.reject(new Error('the connection was closed'));
  });
  socket.once('secureConnect', () => {
    if (socket.alpnProtocol !== 'h2') return void socket.destroy(new Error('it does not speak HTTP/2'));
    const call = startCall(socket, credential.authorization);
    call.on('error', (error) => dialled.reject(error));
    call.once('response', (headers) => {
      signal.removeEventListener('abort', onAbort);
      const refusal = refusalIn(headers);
      if (refusal === undefined) return dialled.resolve(new Http2Transport(call, socket, clock));
      dialled.reject(new Error(refusal));
      socket.destroy();
    });
  });
  return dialled.promise;
}

function startCall(socket: TLSSocket, authorization: string | undefined): ClientHttp2Stream {
  const session = connectHttp2(`https://${peerName}`, { ...http2Options, createConnection: () => socket });
  session.on('error', ignore);
  session.once('connect', () => session.setLocalWindowSize(peerLimits.http2WindowBytes));
  const headers = {
    ':method': 'POST',
    ':path': linkPath,
    'content-type': grpcContentType,
    te: 'trailers',
    ...(authorization === undefined ? {} : { authorization }),
  };
  return session.request(headers, { endStream: false, waitForTrailers: true });
}

function refusalIn(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): string | undefined {
  const status = headers['grpc-status'];
  if (status !== undefined) return `it refused: ${readMessage(headers) || `gRPC status ${Number(status)}`}`;
  if (headers[':status'] !== 200) return `it answered with status ${headers[':status']}`;
  return headers['content-type']?.startsWith(grpcContentType) ? undefined : 'it does not speak gRPC';
}
