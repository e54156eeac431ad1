// How long a job may take, and how its retries are spaced: google.protobuf.Duration into milliseconds within bounds.
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { RetryPolicy } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import type { RetryRules } from '../../dispatch/job.ts';
import { bounds } from './bounds.ts';
import { invalid, refuseUnknown } from './faults.ts';

/** The time that the job has, in milliseconds; `deadlineMs` is what the transport leaves it. */
export function timeoutMs(timeout: Duration | undefined, deadlineMs: number | undefined): number {
  const asked = timeout ? askedMs(timeout) : bounds.defaultTimeoutMs;
  return deadlineMs === undefined ? asked : Math.min(asked, Math.max(0, deadlineMs));
}

function askedMs(timeout: Duration): number {
  const ms = toMs('timeout', timeout);
  if (ms < bounds.minTimeoutMs || ms > bounds.maxTimeoutMs)
    throw invalid('timeout', 'must be 1 ms to 10 min; leave it out for 30 s');
  return ms;
}

/** `maxAttempts` is this deployment's own bound, whatever the caller asks. */
export function retryRules(retry: RetryPolicy | undefined, maxAttempts: number): RetryRules {
  const { defaultInitialBackoffMs: initialBackoffMs, defaultMaxBackoffMs: maxBackoffMs } = bounds;
  if (!retry) return { maxAttempts, initialBackoffMs, maxBackoffMs };
  refuseUnknown('retry', retry);
  if (retry.maxAttempts > bounds.maxAttempts)
    throw invalid('retry.max_attempts', `must be 1 to ${bounds.maxAttempts}; 0 means as many as are allowed`);
  const { initialBackoff, maxBackoff } = retry;
  return {
    maxAttempts: retry.maxAttempts === 0 ? maxAttempts : Math.min(retry.maxAttempts, maxAttempts),
    initialBackoffMs: initialBackoff
      ? backoffMs('retry.initial_backoff', initialBackoff, bounds.maxInitialBackoffMs)
      : initialBackoffMs,
    maxBackoffMs: maxBackoff ? backoffMs('retry.max_backoff', maxBackoff, bounds.maxMaxBackoffMs) : maxBackoffMs,
  };
}

function backoffMs(field: string, backoff: Duration, maxMs: number): number {
  const ms = toMs(field, backoff);
  if (ms < 0 || ms > maxMs) throw invalid(field, `must be 0 to ${maxMs / 1000} s`);
  return ms;
}

/** Seconds and nanoseconds carry the same sign (google.protobuf.Duration). */
export function toMs(field: string, duration: Duration): number {
  refuseUnknown(field, duration);
  const seconds = Number(duration.seconds);
  const { nanos } = duration;
  const signsDiffer = (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
  if (Math.abs(nanos) > 999_999_999 || signsDiffer) throw invalid(field, 'is not a valid duration');
  return seconds * 1000 + nanos / 1e6;
}
