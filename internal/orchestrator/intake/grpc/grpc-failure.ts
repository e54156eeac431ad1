// A JobFailure as gRPC tells it: the status, and in `grpc-status-details-bin` what a program needs: ErrorInfo, RetryInfo
// when a retry is sensible, and the attempts behind it.
import { create, type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf';
import { type Any, anyPack } from '@bufbuild/protobuf/wkt';
import { Metadata, type ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { ErrorInfoSchema, RetryInfoSchema } from '../../../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../../gen/google/rpc/status_pb.ts';
import { AttemptSchema } from '../../../../gen/resproxy/v1/job_pb.ts';
import type { JobFailure } from '../../failure/failures.ts';
import { toAttempt, toDuration } from '../job-messages.ts';

/** How grpc-js says the end of a call. */
export type CallEnd = Parameters<ServerInterceptingCallInterface['sendStatus']>[0];

export const errorDomain = 'resproxy.dev';
export const detailsKey = 'grpc-status-details-bin';
/** Trailers must fit what clients accept (8 KiB), details and all. */
const maxTextLength = 1024;

export function toStatus(failure: JobFailure): CallEnd & { metadata: Metadata } {
  const code = failure.row.grpc;
  // grpc-js puts the text through encodeURI, which throws at half a surrogate pair.
  const message = failure.message.slice(0, maxTextLength).toWellFormed();
  const details = [pack(ErrorInfoSchema, { reason: failure.code, domain: errorDomain, metadata: facts(failure) })];
  if (failure.retryAfterMs !== undefined)
    details.push(pack(RetryInfoSchema, { retryDelay: toDuration(failure.retryAfterMs) }));
  for (const attempt of failure.attempts) details.push(pack(AttemptSchema, toAttempt(attempt)));
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(toBinary(StatusSchema, create(StatusSchema, { code, message, details }))));
  return { code, details: message, metadata };
}

function facts(failure: JobFailure): Record<string, string> {
  const { origin, execution, retryable, jobId, field, refusal } = failure;
  const metadata: Record<string, string> = { origin, execution, retryable: String(retryable) };
  if (jobId !== undefined) metadata.jobId = jobId;
  if (field !== undefined) metadata.field = field;
  if (refusal !== undefined) metadata.subReason = refusal;
  return metadata;
}

function pack<D extends DescMessage>(schema: D, init: Parameters<typeof create<D>>[1]): Any {
  const message: MessageShape<D> = create(schema, init);
  return anyPack(schema, message);
}
