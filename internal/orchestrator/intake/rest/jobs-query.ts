// The queries of GET /jobs and GET /jobs/events as the requests that they are.
import { type Timestamp, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { JobState, ListJobsRequest, WatchJobsRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { durableBounds } from '../durable/durable-bounds.ts';
import { invalid } from '../validate/faults.ts';
import { stateNumber } from './job-json.ts';
import { limit } from './query.ts';

const listParameters = ['state', 'label', 'from', 'before', 'limit', 'nextToken'];

/** Throws a JobFailure that names the parameter. */
export function toListRequest(query: URLSearchParams): ListJobsRequest {
  refuseOthers(query, listParameters);
  const submittedAfter = time(query, 'from');
  const submittedBefore = time(query, 'before');
  return {
    $typeName: 'resproxy.v1.ListJobsRequest',
    states: query.getAll('state').map(toState),
    labels: toLabel(query.get('label')),
    ...(submittedAfter && { submittedAfter }),
    ...(submittedBefore && { submittedBefore }),
    pageSize: limit(query, durableBounds.maxPageSize),
    pageToken: query.get('nextToken') ?? '',
  };
}

/** `cursor` is a reader's Last-Event-ID: one that comes back has seen how jobs stood. Throws as above. */
export function toWatchJobsRequest(query: URLSearchParams, cursor: string): WatchJobsRequest {
  refuseOthers(query, ['label', 'present']);
  const present = query.get('present') ?? 'false';
  if (present !== 'true' && present !== 'false') throw invalid('present', 'must be true or false');
  return {
    $typeName: 'resproxy.v1.WatchJobsRequest',
    labels: toLabel(query.get('label')),
    cursor,
    presentFirst: present === 'true' && cursor === '',
  };
}

function refuseOthers(query: URLSearchParams, known: readonly string[]): void {
  for (const name of query.keys()) {
    if (!known.includes(name)) throw invalid(name, 'is no parameter of this path');
    if (name !== 'state' && query.getAll(name).length > 1) throw invalid(name, 'is given more than once');
  }
}

function toState(name: string): JobState {
  const state = stateNumber(name.toUpperCase());
  if (state === undefined) throw invalid('state', 'is none that a job can have, such as QUEUED or SUCCEEDED');
  return state;
}

function toLabel(text: string | null): Record<string, string> {
  if (text === null) return {};
  const at = text.indexOf('=');
  if (at < 1) throw invalid('label', 'must be NAME=VALUE');
  return { [text.slice(0, at)]: text.slice(at + 1) };
}

function time(query: URLSearchParams, name: string): Timestamp | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) throw invalid(name, 'must be a time, such as 2030-01-31T12:00:00Z');
  return timestampFromDate(date);
}
