// The one table of failures: for each code its gRPC status, HTTP status, whose fault it is, what is known about
// execution, and whether dispatch may try again. Doors, dispatch and docs read it; nobody else decides these things.
import { status as grpc } from '@grpc/grpc-js';
import { FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';

export type Code = Exclude<keyof typeof FailureCode, 'UNSPECIFIED'>;
export type Execution = 'NOT_STARTED' | 'POSSIBLE' | 'DONE';
/** Whose fault it is. */
export type Origin = 'CALLER' | 'ORCHESTRATOR' | 'EXIT' | 'ORIGIN';
/** What dispatch may do after an attempt that ended so. */
export type RetriedInside = 'no' | 'yes' | 'other-exit' | 'idempotent' | 'not-started';

export interface FailureRow {
  readonly grpc: grpc;
  readonly http: number;
  readonly origin: Origin;
  /** What the code says where no attempt says more; 'as-known' says nothing by itself. */
  readonly execution: Execution | 'as-known';
  readonly retriedInside: RetriedInside;
  /** Whether the caller may sensibly send the same job again, and then after how long at least. */
  readonly retryAfterMs?: number;
  /** The proxy error type of RFC 9209 2.3, for Proxy-Status. */
  readonly proxyError: string;
  /** What happened, in a sentence without particulars. */
  readonly title: string;
}

type Retry = Pick<FailureRow, 'retryAfterMs'>;
const soon: Retry = { retryAfterMs: 1_000 };
const later: Retry = { retryAfterMs: 5_000 };

function row(
  status: grpc,
  http: number,
  origin: Origin,
  execution: FailureRow['execution'],
  retriedInside: RetriedInside,
  proxyError: string,
  title: string,
  retry: Retry = {},
): FailureRow {
  return { grpc: status, http, origin, execution, retriedInside, proxyError, title, ...retry };
}

// biome-ignore format: a table reads by its columns
export const failureTable: Readonly<Record<Code, FailureRow>> = {
  INVALID_REQUEST:           row(grpc.INVALID_ARGUMENT, 400, 'CALLER', 'NOT_STARTED', 'no', 'http_request_error', 'The request is not valid.'),
  REQUEST_TOO_LARGE:         row(grpc.INVALID_ARGUMENT, 413, 'CALLER', 'NOT_STARTED', 'no', 'http_request_error', 'The request is larger than a bound allows.'),
  UNAUTHENTICATED:           row(grpc.UNAUTHENTICATED, 401, 'CALLER', 'NOT_STARTED', 'no', 'http_request_denied', 'The caller is not known.'),
  SCOPE_DENIED:              row(grpc.PERMISSION_DENIED, 403, 'CALLER', 'NOT_STARTED', 'no', 'http_request_denied', 'The caller has no scope for this.'),
  RATE_LIMITED:              row(grpc.RESOURCE_EXHAUSTED, 429, 'CALLER', 'NOT_STARTED', 'no', 'http_request_denied', 'The caller asks too often.', soon),
  QUOTA_EXCEEDED:            row(grpc.RESOURCE_EXHAUSTED, 429, 'CALLER', 'NOT_STARTED', 'no', 'http_request_denied', "The caller's allowance is used up.", soon),
  TENANT_QUEUE_FULL:         row(grpc.RESOURCE_EXHAUSTED, 429, 'CALLER', 'NOT_STARTED', 'no', 'http_request_denied', "The tenant's queue is full.", later),
  IDEMPOTENCY_KEY_CONFLICT:  row(grpc.ALREADY_EXISTS, 409, 'CALLER', 'NOT_STARTED', 'no', 'http_request_error', 'The idempotency key belongs to another request.'),
  UNIMPLEMENTED:             row(grpc.UNIMPLEMENTED, 501, 'CALLER', 'NOT_STARTED', 'no', 'http_request_error', 'This version does not offer that.'),
  AGENT_NOT_FOUND:           row(grpc.NOT_FOUND, 404, 'CALLER', 'NOT_STARTED', 'no', 'http_request_error', 'There is no such agent.'),
  JOB_NOT_FOUND:             row(grpc.NOT_FOUND, 404, 'CALLER', 'NOT_STARTED', 'no', 'http_request_error', 'There is no such job.'),
  JOB_STATE_CONFLICT:        row(grpc.FAILED_PRECONDITION, 409, 'CALLER', 'as-known', 'no', 'http_request_error', "The job's state does not allow that."),

  OVERLOADED:                row(grpc.UNAVAILABLE, 503, 'ORCHESTRATOR', 'NOT_STARTED', 'no', 'connection_limit_reached', 'The orchestrator has too much to do.', soon),
  STORE_UNAVAILABLE:         row(grpc.UNAVAILABLE, 503, 'ORCHESTRATOR', 'NOT_STARTED', 'no', 'proxy_internal_error', 'The job store cannot be reached.', later),
  STORE_FULL:                row(grpc.UNAVAILABLE, 503, 'ORCHESTRATOR', 'NOT_STARTED', 'no', 'proxy_internal_error', 'The job store is full.', later),
  DRAINING:                  row(grpc.UNAVAILABLE, 503, 'ORCHESTRATOR', 'NOT_STARTED', 'no', 'proxy_internal_error', 'The orchestrator is shutting down.', soon),
  ISSUER_UNAVAILABLE:        row(grpc.UNAVAILABLE, 503, 'ORCHESTRATOR', 'NOT_STARTED', 'no', 'proxy_internal_error', "The caller's token cannot be checked now.", later),
  INTERNAL:                  row(grpc.INTERNAL, 500, 'ORCHESTRATOR', 'as-known', 'not-started', 'proxy_internal_error', 'The orchestrator or the agent has a fault.'),

  NO_EXIT_AVAILABLE:         row(grpc.UNAVAILABLE, 503, 'EXIT', 'NOT_STARTED', 'yes', 'destination_unavailable', 'No exit matches the target.', later),
  EXIT_BUSY:                 row(grpc.UNAVAILABLE, 503, 'EXIT', 'NOT_STARTED', 'yes', 'connection_limit_reached', 'Every exit that matches the target is at its limit.', soon),
  EXIT_LOST:                 row(grpc.UNAVAILABLE, 503, 'EXIT', 'NOT_STARTED', 'yes', 'destination_unavailable', 'The exit of this session is gone.', later),
  EXIT_NOT_FOUND:            row(grpc.NOT_FOUND, 404, 'CALLER', 'NOT_STARTED', 'no', 'http_request_error', 'There is no such exit.'),
  EXIT_REFUSED:              row(grpc.PERMISSION_DENIED, 403, 'EXIT', 'NOT_STARTED', 'other-exit', 'http_request_denied', "The exit's operator does not allow it."),
  AGENT_DISCONNECTED:        row(grpc.UNAVAILABLE, 503, 'EXIT', 'NOT_STARTED', 'yes', 'connection_terminated', 'The agent went away before the job was sent to it.', soon),
  AGENT_LOST:                row(grpc.UNAVAILABLE, 502, 'EXIT', 'POSSIBLE', 'idempotent', 'connection_terminated', 'The agent went away after the job was sent to it.', soon),

  OUTCOME_UNKNOWN:           row(grpc.ABORTED, 409, 'EXIT', 'POSSIBLE', 'no', 'connection_terminated', 'The job is not idempotent and may have reached the origin.'),
  DEADLINE_EXCEEDED:         row(grpc.DEADLINE_EXCEEDED, 504, 'ORIGIN', 'as-known', 'no', 'http_response_timeout', 'The job did not finish in its time.'),
  EXPIRED_IN_QUEUE:          row(grpc.DEADLINE_EXCEEDED, 504, 'ORCHESTRATOR', 'NOT_STARTED', 'no', 'connection_timeout', 'The job waited in the queue longer than it may.'),
  CANCELLED:                 row(grpc.CANCELLED, 499, 'CALLER', 'as-known', 'no', 'connection_terminated', 'The caller went away or cancelled the job.'),

  DESTINATION_FORBIDDEN:     row(grpc.PERMISSION_DENIED, 403, 'CALLER', 'NOT_STARTED', 'no', 'http_request_denied', 'The destination is not allowed.'),
  DESTINATION_IP_PROHIBITED: row(grpc.PERMISSION_DENIED, 403, 'CALLER', 'NOT_STARTED', 'no', 'destination_ip_prohibited', 'The destination is a private, local, reserved or own address.'),
  DNS_NXDOMAIN:              row(grpc.NOT_FOUND, 502, 'ORIGIN', 'NOT_STARTED', 'no', 'dns_error', 'The host name does not exist.'),
  DNS_FAILURE:               row(grpc.UNAVAILABLE, 502, 'EXIT', 'NOT_STARTED', 'other-exit', 'dns_error', 'The host name could not be resolved.', soon),
  CONNECT_REFUSED:           row(grpc.UNAVAILABLE, 502, 'ORIGIN', 'NOT_STARTED', 'other-exit', 'connection_refused', 'The origin refused the connection.', soon),
  CONNECT_TIMEOUT:           row(grpc.UNAVAILABLE, 504, 'ORIGIN', 'NOT_STARTED', 'other-exit', 'connection_timeout', 'The origin did not take the connection in time.', soon),
  UNROUTABLE:                row(grpc.UNAVAILABLE, 502, 'EXIT', 'NOT_STARTED', 'other-exit', 'destination_ip_unroutable', 'The exit has no route to the origin.', soon),
  TLS_FAILURE:               row(grpc.UNAVAILABLE, 502, 'ORIGIN', 'NOT_STARTED', 'other-exit', 'tls_protocol_error', 'The TLS handshake with the origin failed.', soon),
  TLS_CERTIFICATE_INVALID:   row(grpc.FAILED_PRECONDITION, 502, 'ORIGIN', 'NOT_STARTED', 'no', 'tls_certificate_error', "The origin's certificate is not valid."),
  CONNECTION_TERMINATED:     row(grpc.UNAVAILABLE, 502, 'ORIGIN', 'POSSIBLE', 'idempotent', 'connection_terminated', 'The origin closed the connection before it answered.', soon),
  RESPONSE_INCOMPLETE:       row(grpc.UNAVAILABLE, 502, 'ORIGIN', 'POSSIBLE', 'idempotent', 'http_response_incomplete', 'The answer ended before it was complete.', soon),
  RESPONSE_TOO_LARGE:        row(grpc.RESOURCE_EXHAUSTED, 502, 'ORIGIN', 'DONE', 'no', 'http_response_body_size', 'The answer is larger than the caller allowed.'),
  DECOMPRESSION_LIMIT:       row(grpc.RESOURCE_EXHAUSTED, 502, 'ORIGIN', 'DONE', 'no', 'http_response_content_coding', 'The answer does not decompress within its limits.'),
  REDIRECT_LIMIT:            row(grpc.FAILED_PRECONDITION, 502, 'ORIGIN', 'DONE', 'no', 'loop_detected', 'The origin redirects more often than the caller allowed.'),
  RETRY_ON_STATUS:           row(grpc.FAILED_PRECONDITION, 502, 'ORIGIN', 'DONE', 'idempotent', 'http_protocol_error', 'The origin answered with a status that the caller wants to be tried again.'),
};

/** The enum value of a code, for the wire. */
export function codeNumber(code: Code): FailureCode {
  return FailureCode[code];
}

const namesByNumber = new Map<number, Code>(
  Object.entries(FailureCode)
    .filter(([name]) => name !== 'UNSPECIFIED')
    .map(([name, number]) => [number, name as Code]),
);

/** The code of an enum value; undefined for one that this version does not know. */
export function codeName(number: number): Code | undefined {
  return namesByNumber.get(number);
}
