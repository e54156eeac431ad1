// A JobFailure as gRPC tells it: the status, and its details in `grpc-status-details-bin`.
import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Metadata, type ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { StatusSchema } from '../../../../gen/google/rpc/status_pb.ts';
import type { JobFailure } from '../../failure/failures.ts';
import { failureDetails, failureText } from '../failure-details.ts';

/** How grpc-js says the end of a call. */
export type CallEnd = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

export const detailsKey = 'grpc-status-details-bin';

export function toStatus(failure: JobFailure): CallEnd & { metadata: Metadata } {
  const code = failure.row.grpc;
  const message = failureText(failure);
  const details = failureDetails(failure).map(({ desc, value }) => anyPack(desc, value));
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, message, details }))));
  return { code, details: message, metadata };
}
