// A durable job as the JSON of this door: states and codes by name, times as text.
import type { Duration, Timestamp } from '@bufbuild/protobuf/wkt';
import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type CallbackStatus,
  CallbackStatus_State,
  type Job,
  type JobError,
  JobState,
  type ListJobsResponse,
  type WatchJobResponse,
} from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { Execution } from '../../../../gen/resproxy/v1/failure_pb.ts';
import type { Attempt, ExitInfo } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import { codeName } from '../../failure/table.ts';
import { asFailure } from '../as-failure.ts';

type Names = ReadonlyMap<number, string>;

const stateNames = namesOf(JobState);
const callbackStateNames = namesOf(CallbackStatus_State);
const executionNames = namesOf(Execution);

/** The job of an answer that always has one. */
export function presentJob(job: Job | undefined): Job {
  if (!job) throw asFailure(new Error('the service answered without a job'));
  return job;
}

/** What is not there is left out. */
export function toJobJson(job: Job): object {
  const { jobId, state, method, url, caller, priority, labels, attempts, error, result, callback, cursor } = job;
  return {
    jobId,
    state: stateNames.get(state),
    method,
    url,
    caller,
    priority,
    labels,
    submitTime: toIso(job.submitTime),
    notBefore: toIso(job.notBefore),
    endTime: toIso(job.endTime),
    expireTime: toIso(job.expireTime),
    attempts: attempts.map(toAttemptJson),
    error: error && toErrorJson(error),
    result: result && {
      statusCode: result.statusCode,
      bodyBytes: Number(result.bodyBytes),
      finalUrl: result.finalUrl,
      exit: result.exit && toExitJson(result.exit),
    },
    redriveOf: job.redriveOf || undefined,
    redrivenAs: job.redrivenAs || undefined,
    callback: callback && toCallbackJson(callback),
    cursor,
  };
}

export function toJobList({ jobs, nextPageToken }: ListJobsResponse): object {
  return { jobs: jobs.map(toJobJson), nextToken: nextPageToken || undefined };
}

export function toChangeJson({ jobId, cursor, state, time, attempt, exitId, error }: WatchJobResponse): object {
  return {
    jobId,
    cursor,
    state: stateNames.get(state),
    time: toIso(time),
    attempt,
    exitId: exitId || undefined,
    error: error && toErrorJson(error),
  };
}

export function toCallbackJson({ state, attempts, nextAttemptTime, lastOutcome, webhookId }: CallbackStatus): object {
  return {
    state: callbackStateNames.get(state),
    attempts,
    nextAttemptTime: toIso(nextAttemptTime),
    lastOutcome: lastOutcome || undefined,
    webhookId,
  };
}

export function toExitJson({ exitId, agentId, country, region, city, asn }: ExitInfo): object {
  return { exitId, agentId, country, region, city, asn };
}

export function toAttemptJson({ exitId, code, execution, duration }: Attempt): object {
  return {
    exitId,
    code: codeName(code),
    execution: executionNames.get(execution),
    durationMs: duration && toMs(duration),
  };
}

export function stateNumber(name: string): JobState | undefined {
  return Object.hasOwn(JobState, name) ? JobState[name as keyof typeof JobState] : undefined;
}

function toErrorJson({ code, execution, detail }: JobError): object {
  return { code: codeName(code), execution: executionNames.get(execution), detail };
}

function namesOf(numbers: Readonly<Record<string, number>>): Names {
  return new Map(Object.entries(numbers).map(([name, number]) => [number, name]));
}

function toIso(timestamp: Timestamp | undefined): string | undefined {
  return timestamp && timestampDate(timestamp).toISOString();
}

function toMs({ seconds, nanos }: Duration): number {
  return Number(seconds) * 1000 + nanos / 1e6;
}
