import { status } from '@grpc/grpc-js';
import { describe, expect, test } from '@jest/globals';
import { FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { type Code, codeName, codeNumber, failureTable } from './table.ts';

/** The design's table of errors: code, gRPC status, HTTP status, execution, retried inside, sent with RetryInfo or not. */
const design = `
  INVALID_REQUEST            INVALID_ARGUMENT     400  NOT_STARTED  no           -
  REQUEST_TOO_LARGE          INVALID_ARGUMENT     413  NOT_STARTED  no           -
  UNAUTHENTICATED            UNAUTHENTICATED      401  NOT_STARTED  no           -
  SCOPE_DENIED               PERMISSION_DENIED    403  NOT_STARTED  no           -
  RATE_LIMITED               RESOURCE_EXHAUSTED   429  NOT_STARTED  no           RetryInfo
  QUOTA_EXCEEDED             RESOURCE_EXHAUSTED   429  NOT_STARTED  no           RetryInfo
  TENANT_QUEUE_FULL          RESOURCE_EXHAUSTED   429  NOT_STARTED  no           RetryInfo
  IDEMPOTENCY_KEY_CONFLICT   ALREADY_EXISTS       409  NOT_STARTED  no           -
  UNIMPLEMENTED              UNIMPLEMENTED        501  NOT_STARTED  no           -
  AGENT_NOT_FOUND            NOT_FOUND            404  NOT_STARTED  no           -
  JOB_NOT_FOUND              NOT_FOUND            404  NOT_STARTED  no           -
  JOB_STATE_CONFLICT         FAILED_PRECONDITION  409  as-known     no           -

  OVERLOADED                 UNAVAILABLE          503  NOT_STARTED  no           RetryInfo
  STORE_UNAVAILABLE          UNAVAILABLE          503  NOT_STARTED  no           RetryInfo
  STORE_FULL                 UNAVAILABLE          503  NOT_STARTED  no           RetryInfo
  DRAINING                   UNAVAILABLE          503  NOT_STARTED  no           RetryInfo
  ISSUER_UNAVAILABLE         UNAVAILABLE          503  NOT_STARTED  no           RetryInfo
  INTERNAL                   INTERNAL             500  as-known     not-started  -

  NO_EXIT_AVAILABLE          UNAVAILABLE          503  NOT_STARTED  yes          RetryInfo
  EXIT_BUSY                  UNAVAILABLE          503  NOT_STARTED  yes          RetryInfo
  EXIT_LOST                  UNAVAILABLE          503  NOT_STARTED  yes          RetryInfo
  EXIT_NOT_FOUND             NOT_FOUND            404  NOT_STARTED  no           -
  EXIT_REFUSED               PERMISSION_DENIED    403  NOT_STARTED  other-exit   -
  AGENT_DISCONNECTED         UNAVAILABLE          503  NOT_STARTED  yes          RetryInfo
  AGENT_LOST                 UNAVAILABLE          502  POSSIBLE     idempotent   RetryInfo

  OUTCOME_UNKNOWN            ABORTED              409  POSSIBLE     no           -
  DEADLINE_EXCEEDED          DEADLINE_EXCEEDED    504  as-known     no           -
  EXPIRED_IN_QUEUE           DEADLINE_EXCEEDED    504  NOT_STARTED  no           -
  CANCELLED                  CANCELLED            499  as-known     no           -

  DESTINATION_FORBIDDEN      PERMISSION_DENIED    403  NOT_STARTED  no           -
  DESTINATION_IP_PROHIBITED  PERMISSION_DENIED    403  NOT_STARTED  no           -
  DNS_NXDOMAIN               NOT_FOUND            502  NOT_STARTED  no           -
  DNS_FAILURE                UNAVAILABLE          502  NOT_STARTED  other-exit   RetryInfo
  CONNECT_REFUSED            UNAVAILABLE          502  NOT_STARTED  other-exit   RetryInfo
  CONNECT_TIMEOUT            UNAVAILABLE          504  NOT_STARTED  other-exit   RetryInfo
  UNROUTABLE                 UNAVAILABLE          502  NOT_STARTED  other-exit   RetryInfo
  TLS_FAILURE                UNAVAILABLE          502  NOT_STARTED  other-exit   RetryInfo
  TLS_CERTIFICATE_INVALID    FAILED_PRECONDITION  502  NOT_STARTED  no           -
  CONNECTION_TERMINATED      UNAVAILABLE          502  POSSIBLE     idempotent   RetryInfo
  RESPONSE_INCOMPLETE        UNAVAILABLE          502  POSSIBLE     idempotent   RetryInfo
  RESPONSE_TOO_LARGE         RESOURCE_EXHAUSTED   502  DONE         no           -
  DECOMPRESSION_LIMIT        RESOURCE_EXHAUSTED   502  DONE         no           -
  REDIRECT_LIMIT             FAILED_PRECONDITION  502  DONE         no           -
  RETRY_ON_STATUS            FAILED_PRECONDITION  502  DONE         idempotent   -
`;

const rows = design
  .split('\n')
  .map((line) => line.trim().split(/ +/))
  .filter(([code]) => code !== '');
const codes = Object.keys(FailureCode).filter((name) => name !== 'UNSPECIFIED') as Code[];

describe('the table of failures', () => {
  test('has a row for every code of the API, and no other', () => {
    expect(new Set(Object.keys(failureTable))).toEqual(new Set(codes));
    expect(new Set(rows.map(([code]) => code))).toEqual(new Set(codes));
  });

  test.each(rows)('%s is %s, HTTP %s, %s, retried inside: %s', (code, grpc, http, execution, inside, retryInfo) => {
    const row = failureTable[code as Code];
    expect(status[row.grpc]).toBe(grpc);
    expect(row.http).toBe(Number(http));
    expect(row.execution).toBe(execution);
    expect(row.retriedInside).toBe(inside);
    expect(row.retryAfterMs !== undefined).toBe(retryInfo === 'RetryInfo');
  });

  test.each(codes)('%s says whose fault it is and what happened, in a sentence', (code) => {
    const row = failureTable[code];
    expect(['CALLER', 'ORCHESTRATOR', 'EXIT', 'ORIGIN']).toContain(row.origin);
    expect(row.title).toMatch(/^[A-Z].*\.$/);
  });

  test('uses only the proxy error types of RFC 9209', () => {
    const registered = new Set([
      'connection_limit_reached',
      'connection_refused',
      'connection_terminated',
      'connection_timeout',
      'destination_ip_prohibited',
      'destination_ip_unroutable',
      'destination_unavailable',
      'dns_error',
      'http_protocol_error',
      'http_request_denied',
      'http_request_error',
      'http_response_body_size',
      'http_response_content_coding',
      'http_response_incomplete',
      'http_response_timeout',
      'loop_detected',
      'proxy_internal_error',
      'tls_certificate_error',
      'tls_protocol_error',
    ]);
    for (const { proxyError } of Object.values(failureTable)) expect(registered).toContain(proxyError);
  });

  test('invites nobody to repeat what dispatch may never repeat after it has left', () => {
    for (const row of Object.values(failureTable)) {
      if (row.execution === 'DONE' || row.grpc === status.ABORTED) expect(row.retryAfterMs).toBeUndefined();
    }
  });
});

test('codes and numbers name each other', () => {
  for (const code of codes) expect(codeName(codeNumber(code))).toBe(code);
});

test('a number that this version does not know, and the unspecified one, have no code', () => {
  expect(codeName(0)).toBeUndefined();
  expect(codeName(9_999)).toBeUndefined();
});
