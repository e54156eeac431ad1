// A JobFailure as every door of protobuf tells it: a text, and beside it what a program needs: ErrorInfo, RetryInfo when
// a retry is sensible, and the attempts behind it.
import { create, type DescMessage, type Message } from '@bufbuild/protobuf';
import { ErrorInfoSchema, RetryInfoSchema } from '../../../gen/google/rpc/error_details_pb.ts';
import { AttemptSchema } from '../../../gen/resproxy/v1/job_parts_pb.ts';
import type { JobFailure } from '../failure/failures.ts';
import { toAttempt, toDuration } from './job-messages.ts';

export interface FailureDetail {
  readonly desc: DescMessage;
  readonly value: Message;
}

export const errorDomain = 'resproxy.dev';
/** Trailers must fit what clients accept (8 KiB), details and all. */
const maxTextLength = 1024;

/** Without half surrogate pairs, which no door can put into a header. */
export function failureText({ message }: JobFailure): string {
  return message.slice(0, maxTextLength).toWellFormed();
}

export function failureDetails(failure: JobFailure): FailureDetail[] {
  const info = { reason: failure.code, domain: errorDomain, metadata: facts(failure) };
  const details: FailureDetail[] = [{ desc: ErrorInfoSchema, value: create(ErrorInfoSchema, info) }];
  if (failure.retryAfterMs !== undefined) {
    const retryDelay = toDuration(failure.retryAfterMs);
    details.push({ desc: RetryInfoSchema, value: create(RetryInfoSchema, { retryDelay }) });
  }
  for (const attempt of failure.attempts)
    details.push({ desc: AttemptSchema, value: create(AttemptSchema, toAttempt(attempt)) });
  return details;
}

function facts(failure: JobFailure): Record<string, string> {
  const { origin, execution, retryable, jobId, field, refusal } = failure;
  const metadata: Record<string, string> = { origin, execution, retryable: String(retryable) };
  if (jobId !== undefined) metadata.jobId = jobId;
  if (field !== undefined) metadata.field = field;
  if (refusal !== undefined) metadata.subReason = refusal;
  return metadata;
}
