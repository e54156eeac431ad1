// Callers over Connect and gRPC-Web as services have them: the library's own clients, for the tests of the doors.
import type { DescService } from '@bufbuild/protobuf';
import { type Client, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { ErrorInfoSchema, RetryInfoSchema } from '../../../../gen/google/rpc/error_details_pb.ts';
import { type Attempt, AttemptSchema } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import { WholeAnswers } from '../../../kit/whole-answers.ts';
import { type GrpcFailure, token } from '../fixture.ts';

export const protocols = ['Connect JSON', 'Connect binary', 'gRPC-Web', 'gRPC-Web JSON'] as const;
export type Protocol = (typeof protocols)[number];

export interface ConnectClientOptions {
  readonly httpVersion?: '1.1' | '2';
  readonly authorization?: string;
}

export function connectClient<S extends DescService>(
  service: S,
  baseUrl: string,
  protocol: Protocol,
  { httpVersion = '1.1', authorization = `Bearer ${token}` }: ConnectClientOptions = {},
): Client<S> {
  const withToken: Interceptor = (next) => (request) => {
    request.header.set('authorization', authorization);
    return next(request);
  };
  const nodeOptions = { rejectUnauthorized: false };
  const options = {
    baseUrl,
    useBinaryFormat: !protocol.endsWith('JSON'),
    interceptors: [withToken],
    ...(httpVersion === '1.1'
      ? { httpVersion, nodeOptions }
      : { httpVersion, sessionManager: new WholeAnswers(baseUrl, {}, nodeOptions) }),
  };
  const transport = protocol.startsWith('Connect') ? createConnectTransport(options) : createGrpcWebTransport(options);
  return createClient(service, transport);
}

export interface ConnectFailure extends GrpcFailure {
  readonly attempts: readonly Attempt[];
}

/** What the call fails with; a call that succeeds fails the test. */
export async function connectFailure(call: Promise<unknown>): Promise<ConnectFailure> {
  const error = await call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (reason: unknown) => ConnectError.from(reason),
  );
  return {
    code: error.code,
    message: error.rawMessage,
    info: error.findDetails(ErrorInfoSchema)[0],
    retry: error.findDetails(RetryInfoSchema)[0],
    attempts: error.findDetails(AttemptSchema),
  };
}
