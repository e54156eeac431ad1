// What dispatch says of a job, as the messages of JobService. Messages are written as plain literals: this runs for
// every job, and `create` costs more than all of them together.
import type { Duration } from '@bufbuild/protobuf/wkt';
import { Execution } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { Header as HeaderMessage, Timings } from '../../../gen/resproxy/v1/http_pb.ts';
import type { Attempt, ExitInfo } from '../../../gen/resproxy/v1/job_parts_pb.ts';
import { JobStatus_State, type RunJobResponse, type StreamJobResponse } from '../../../gen/resproxy/v1/job_pb.ts';
import type { Header } from '../channel/link.ts';
import type { ExitUsed, JobAnswer, JobEvent, JobTimings } from '../dispatch/job.ts';
import type { AttemptRecord } from '../failure/failures.ts';
import { type Code, codeNumber } from '../failure/table.ts';

type StreamEvent = StreamJobResponse['event'];

export function toRunJobResponse(jobId: string, answer: JobAnswer): RunJobResponse {
  return {
    $typeName: 'resproxy.v1.RunJobResponse',
    jobId,
    response: {
      $typeName: 'resproxy.v1.HttpResponse',
      statusCode: answer.statusCode,
      headers: toHeaders(answer.headers),
      body: answer.body,
      finalUrl: answer.finalUrl,
    },
    exit: toExit(answer.exit),
    attempts: answer.attempts.map(toAttempt),
    timings: toTimings(answer.timings),
  };
}

export function toStreamJobResponse(jobId: string, event: JobEvent): StreamJobResponse {
  return { $typeName: 'resproxy.v1.StreamJobResponse', event: toEvent(jobId, event) };
}

function toEvent(jobId: string, event: JobEvent): StreamEvent {
  switch (event.type) {
    case 'body':
      return { case: 'body', value: event.bytes };
    case 'head':
      return {
        case: 'head',
        value: {
          $typeName: 'resproxy.v1.ResponseHead',
          statusCode: event.statusCode,
          headers: toHeaders(event.headers),
          finalUrl: event.finalUrl,
        },
      };
    case 'dispatched':
      return toStatus(jobId, JobStatus_State.DISPATCHED, event.attempt, event.exit, undefined);
    case 'retrying':
      return toStatus(jobId, JobStatus_State.RETRYING, event.attempt, event.exit, event.code);
    case 'summary':
      return {
        case: 'summary',
        value: {
          $typeName: 'resproxy.v1.JobSummary',
          jobId,
          exit: toExit(event.exit),
          attempts: event.attempts.map(toAttempt),
          timings: toTimings(event.timings),
          bodyBytes: BigInt(event.bodyBytes),
        },
      };
  }
}

function toStatus(
  jobId: string,
  state: JobStatus_State,
  attempt: number,
  exit: ExitUsed,
  code: Code | undefined,
): StreamEvent {
  return {
    case: 'status',
    value: {
      $typeName: 'resproxy.v1.JobStatus',
      jobId,
      attempt,
      state,
      exit: toExit(exit),
      code: code === undefined ? 0 : codeNumber(code),
    },
  };
}

export function toHeaders(headers: readonly Header[]): HeaderMessage[] {
  const messages: HeaderMessage[] = [];
  for (const { name, value } of headers) messages.push({ $typeName: 'resproxy.v1.Header', name, value });
  return messages;
}

export function toExit({ exitId, agentId, country, region, city, asn }: ExitUsed): ExitInfo {
  return { $typeName: 'resproxy.v1.ExitInfo', exitId, agentId, country, region, city, asn };
}

export function toAttempt({ exitId, code, execution, durationMs }: AttemptRecord): Attempt {
  return {
    $typeName: 'resproxy.v1.Attempt',
    exitId,
    code: code === undefined ? 0 : codeNumber(code),
    execution: Execution[execution],
    duration: toDuration(durationMs),
  };
}

export function toTimings({ dnsUs, connectUs, tlsUs, firstByteUs, totalUs }: JobTimings): Timings {
  return {
    $typeName: 'resproxy.v1.Timings',
    dnsUs: toUint32(dnsUs),
    connectUs: toUint32(connectUs),
    tlsUs: toUint32(tlsUs),
    firstByteUs: toUint32(firstByteUs),
    totalUs: toUint32(totalUs),
  };
}

/** Clocks count in fractions, and the encoder takes none. */
function toUint32(us: number): number {
  return Math.min(0xffff_ffff, Math.max(0, Math.round(us)));
}

export function toDuration(ms: number): Duration {
  const seconds = Math.floor(ms / 1000);
  return {
    $typeName: 'google.protobuf.Duration',
    seconds: BigInt(seconds),
    nanos: Math.round((ms - seconds * 1000) * 1000) * 1000,
  };
}
