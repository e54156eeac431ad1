// A caller over Connect or gRPC-Web: the library's own client, as a service has it.
import type { DescService } from '@bufbuild/protobuf';
import { type Client, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { type ErrorInfo, ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { WholeAnswers } from '../../internal/kit/whole-answers.ts';

export const protocols = ['Connect JSON', 'Connect binary', 'gRPC-Web'] as const;
export type Protocol = (typeof protocols)[number];

export interface ConnectCallerOptions {
  readonly port: number;
  readonly token: string;
  readonly protocol: Protocol;
  /** In PEM; with it the caller speaks TLS, and HTTP/2. */
  readonly ca?: string;
  /** How long its connection of HTTP/2 is kept without a call: callers that pause need more than the default. */
  readonly idleMs?: number;
}

export function connectClient<S extends DescService>(
  service: S,
  { port, token, protocol, ca, idleMs = 100 }: ConnectCallerOptions,
): Client<S> {
  const withToken: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const baseUrl = `${ca === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const options = {
    baseUrl,
    useBinaryFormat: protocol !== 'Connect JSON',
    interceptors: [withToken],
    defaultTimeoutMs: 60_000,
    ...(ca === undefined
      ? { httpVersion: '1.1' as const }
      : {
          httpVersion: '2' as const,
          sessionManager: new WholeAnswers(baseUrl, { idleConnectionTimeoutMs: idleMs }, { ca }),
        }),
  };
  return createClient(
    service,
    protocol === 'gRPC-Web' ? createGrpcWebTransport(options) : createConnectTransport(options),
  );
}

/** What the call fails with; a call that succeeds fails the test. */
export async function connectFailure(call: Promise<unknown>): Promise<{ code: number; info: ErrorInfo | undefined }> {
  const error = await call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (reason: unknown) => ConnectError.from(reason),
  );
  return { code: error.code, info: error.findDetails(ErrorInfoSchema)[0] };
}
