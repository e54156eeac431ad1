// What a call of the peer port must look like, and what whoever gets it wrong is told: an HTTP status for clients that
// know no gRPC, a gRPC status for the others.
import type { IncomingHttpHeaders } from 'node:http2';
import { type GrpcStatus, grpcStatus } from './close-status.ts';
import { grpcContentType, linkPath } from './peer-dial.ts';

export interface PeerRefusal {
  readonly status: number;
  readonly grpcStatus: GrpcStatus;
  readonly message: string;
}

export const refusals = {
  notAPeer: { status: 200, grpcStatus: grpcStatus.unauthenticated, message: 'only pods of this fleet link here' },
  wrongPath: { status: 404, grpcStatus: grpcStatus.unimplemented, message: `pods link at POST ${linkPath}` },
  wrongType: { status: 415, grpcStatus: grpcStatus.internal, message: `the content type must be ${grpcContentType}` },
} as const satisfies Record<string, PeerRefusal>;

const contentTypes: ReadonlySet<string> = new Set([grpcContentType, `${grpcContentType}+proto`]);

export function refusalOf(headers: IncomingHttpHeaders): PeerRefusal | undefined {
  if (headers[':path'] !== linkPath || headers[':method'] !== 'POST') return refusals.wrongPath;
  return contentTypes.has(headers['content-type'] ?? '') ? undefined : refusals.wrongType;
}
