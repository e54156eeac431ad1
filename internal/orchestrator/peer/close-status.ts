// How the end of a link is said in gRPC: a status for everybody's tools, and the close code itself beside it. Both ends
// send it as trailers. A call that ends without them broke off.
import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { closeCode } from '../../wire/names.ts';

/** The status codes of gRPC that are used here. */
export const grpcStatus = {
  ok: 0,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type GrpcStatus = (typeof grpcStatus)[keyof typeof grpcStatus];

/** RFC 6455 7.1.5: the connection broke off. */
const brokenOff = 1006;

const closeCodeName = 'resproxy-close-code';
const maxReasonChars = 256;

const statusOf: ReadonlyMap<number, GrpcStatus> = new Map([
  [closeCode.drained, grpcStatus.ok],
  [closeCode.goingAway, grpcStatus.unavailable],
  [closeCode.restart, grpcStatus.unavailable],
  [closeCode.heartbeat, grpcStatus.unavailable],
  [closeCode.unauthenticated, grpcStatus.unauthenticated],
  [closeCode.replaced, grpcStatus.aborted],
  [closeCode.frameTooLarge, grpcStatus.resourceExhausted],
  [closeCode.overloaded, grpcStatus.resourceExhausted],
  [closeCode.upgradeRequired, grpcStatus.failedPrecondition],
]);

export function closeTrailers(code: number, reason: string): OutgoingHttpHeaders {
  return { ...statusHeaders(statusOf.get(code) ?? grpcStatus.internal, reason), [closeCodeName]: String(code) };
}

export function statusHeaders(status: GrpcStatus, message: string): OutgoingHttpHeaders {
  return { 'grpc-status': String(status), 'grpc-message': encodeURIComponent(message.slice(0, maxReasonChars)) };
}

/** What the other end said; trailers without a close code, or none, are a link that broke off. */
export function readClose(trailers: IncomingHttpHeaders | undefined): { code: number; reason: string } {
  const code = Number(trailers?.[closeCodeName]);
  const known = Number.isInteger(code) && code >= 1000 && code < 5000;
  return { code: known ? code : brokenOff, reason: readMessage(trailers) };
}

export function readMessage(headers: IncomingHttpHeaders | undefined): string {
  const message = headers?.['grpc-message'];
  if (typeof message !== 'string') return '';
  try {
    return decodeURIComponent(message).slice(0, maxReasonChars);
  } catch {
    return '';
  }
}
