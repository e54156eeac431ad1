// What a store says of durable jobs, as the messages of JobService.
import { type Timestamp, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CallbackStatus,
  CallbackStatus_State,
  type Job,
  type JobError,
  type JobResult,
  type JobResultHead,
  type SubmitFailure,
  type WatchJobResponse,
  type WatchJobsResponse,
  JobState as WireState,
} from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { Execution } from '../../../../gen/resproxy/v1/failure_pb.ts';
import type { AttemptRecord, JobFailure } from '../../failure/failures.ts';
import { codeNumber, failureTable } from '../../failure/table.ts';
import type { AttemptEnd, CallbackState, Failure, JobEvent, JobRecord, JobState } from '../../jobs/job.ts';
import type { ResultHead } from '../../jobs/job-store.ts';
import { decodeMeta } from '../../queue/job-result.ts';
import { decodeAbout } from '../../queue/job-spec.ts';
import { toAttempt, toDuration, toExit, toHeaders, toTimings } from '../job-messages.ts';
import type { Told } from './label-watch.ts';

type Attempt = Job['attempts'][number];

const callbackStates: Readonly<Record<CallbackState['state'], CallbackStatus_State>> = {
  PENDING: CallbackStatus_State.PENDING,
  DELIVERED: CallbackStatus_State.DELIVERED,
  GAVE_UP: CallbackStatus_State.FAILED,
};

const stateNames: ReadonlyMap<WireState, JobState> = new Map(
  Object.entries(WireState).flatMap(([name, number]) => (name === 'UNSPECIFIED' ? [] : [[number, name as JobState]])),
);

/** `resultHead`: of a job that succeeded, while it is kept. */
export function toJobMessage(record: JobRecord, resultHead: ResultHead | undefined): Job {
  const { caller, method, url } = decodeAbout(record.about);
  const waits = record.state === 'QUEUED' || record.state === 'RETRY_WAIT';
  return {
    $typeName: 'resproxy.v1.Job',
    jobId: record.jobId,
    state: WireState[record.state],
    method,
    url,
    caller,
    priority: record.priority,
    labels: record.labels,
    submitTime: timestampFromMs(record.createdAt),
    notBefore: waits ? timestampFromMs(record.readyAt) : undefined,
    endTime: toTimestamp(record.endedAt),
    expireTime: toTimestamp(record.result?.availableUntil ?? null),
    attempts: record.attempts.map(toAttemptMessage),
    error: record.failure ? toError(record.failure) : undefined,
    result: resultHead && toResult(resultHead),
    redriveOf: record.redriveOf,
    redrivenAs: record.redrivenAs,
    callback: record.callback ? toCallback(record.callback, record.jobId) : undefined,
    cursor: String(record.sequence),
  };
}

export function toChange(jobId: string, event: JobEvent): WatchJobResponse {
  return {
    $typeName: 'resproxy.v1.WatchJobResponse',
    jobId,
    cursor: String(event.sequence),
    state: WireState[event.state],
    time: timestampFromMs(event.at),
    attempt: event.attempt,
    exitId: event.exitId,
    error: event.failure ? toError(event.failure) : undefined,
  };
}

export function toWatchJobsResponse(told: Told): WatchJobsResponse {
  return { $typeName: 'resproxy.v1.WatchJobsResponse', cursor: String(told.cursor), event: toWatchEvent(told) };
}

function toWatchEvent(told: Told): WatchJobsResponse['event'] {
  switch (told.kind) {
    case 'present':
      return { case: 'present', value: toJobMessage(told.job, undefined) };
    case 'change':
      return { case: 'change', value: toChange(told.jobId, told.event) };
    default:
      return { case: 'synced', value: { $typeName: 'resproxy.v1.WatchJobsResponse.Synced' } };
  }
}

export function toResultHead(record: JobRecord, head: ResultHead): JobResultHead {
  const { statusCode, headers, finalUrl, exit, timings } = decodeMeta(head.meta);
  return {
    $typeName: 'resproxy.v1.JobResultHead',
    statusCode,
    headers: toHeaders(headers),
    finalUrl,
    exit: toExit(exit),
    attempts: record.attempts.map(toAttemptMessage),
    timings: toTimings(timings),
    bodyBytes: BigInt(head.bodyBytes),
  };
}

export function stateOf(state: WireState): JobState | undefined {
  return stateNames.get(state);
}

export function toAttemptRecord({ exitId, failure, durationMs }: AttemptEnd): AttemptRecord {
  return { exitId, code: failure?.code, execution: failure?.execution ?? 'DONE', durationMs };
}

/** What SubmitJob would have failed with. */
export function toSubmitFailure({ code, execution, message, field, jobId, retryAfterMs }: JobFailure): SubmitFailure {
  return {
    $typeName: 'resproxy.v1.SubmitFailure',
    code: codeNumber(code),
    execution: Execution[execution],
    detail: message,
    field: field ?? '',
    jobId: jobId ?? '',
    ...(retryAfterMs !== undefined && { retryAfter: toDuration(retryAfterMs) }),
  };
}

function toAttemptMessage(end: AttemptEnd): Attempt {
  return toAttempt(toAttemptRecord(end));
}

/** The store ends some jobs by itself, without a sentence. */
function toError({ code, execution, detail }: Failure): JobError {
  return {
    $typeName: 'resproxy.v1.JobError',
    code: codeNumber(code),
    execution: Execution[execution],
    detail: detail === '' ? failureTable[code].title : detail,
  };
}

function toResult({ meta, bodyBytes }: ResultHead): JobResult {
  const { statusCode, finalUrl, exit } = decodeMeta(meta);
  return {
    $typeName: 'resproxy.v1.JobResult',
    statusCode,
    bodyBytes: BigInt(bodyBytes),
    finalUrl,
    exit: toExit(exit),
  };
}

export function toCallback({ state, tries, dueAt, last }: CallbackState, jobId: string): CallbackStatus {
  return {
    $typeName: 'resproxy.v1.CallbackStatus',
    state: callbackStates[state],
    attempts: tries,
    nextAttemptTime: toTimestamp(dueAt),
    lastOutcome: last,
    webhookId: webhookId(jobId),
  };
}

/** The same in every delivery of a job's end, so that a receiver knows a repetition. */
export function webhookId(jobId: string): string {
  return `msg_${jobId}`;
}

function toTimestamp(ms: number | null): Timestamp | undefined {
  return ms === null ? undefined : timestampFromMs(ms);
}
