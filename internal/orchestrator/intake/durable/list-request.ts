// A ListJobsRequest into what the store is asked, or the first fault in it.
import { type Timestamp, timestampMs } from '@bufbuild/protobuf/wkt';
import type { ListJobsRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { JobState } from '../../jobs/job.ts';
import type { ListFilter } from '../../jobs/job-store.ts';
import { invalid, refuseUnknown } from '../validate/faults.ts';
import { durableBounds } from './durable-bounds.ts';
import { stateOf } from './job-record-messages.ts';

export interface ListQuery {
  readonly filter: ListFilter;
  readonly size: number;
  readonly cursor: string;
}

/** A place among all submits, as the stores count them. */
const tokenPattern = /^\d{0,15}$/;

/** Throws a JobFailure that names the field. */
export function toListQuery(request: ListJobsRequest): ListQuery {
  refuseUnknown('', request);
  const { pageSize, pageToken, submittedAfter, submittedBefore } = request;
  if (pageSize > durableBounds.maxPageSize) throw invalid('page_size', `must be 1 to ${durableBounds.maxPageSize}`);
  if (!tokenPattern.test(pageToken)) throw invalid('page_token', 'is not a token of this API');
  const states = request.states.map(known);
  const label = oneLabel(request.labels);
  const from = submittedAfter && milliseconds('submitted_after', submittedAfter);
  const before = submittedBefore && milliseconds('submitted_before', submittedBefore);
  return {
    filter: {
      ...(states.length > 0 && { states }),
      ...(label && { label }),
      ...(from !== undefined && { from }),
      ...(before !== undefined && { before }),
    },
    size: pageSize === 0 ? durableBounds.defaultPageSize : pageSize,
    cursor: pageToken,
  };
}

function known(state: ListJobsRequest['states'][number]): JobState {
  const name = stateOf(state);
  if (!name) throw invalid('states', 'hold one that this version does not know');
  return name;
}

function oneLabel(labels: Readonly<Record<string, string>>): ListFilter['label'] {
  const [first, ...rest] = Object.entries(labels);
  if (rest.length > 0) throw invalid('labels', 'may hold one label');
  return first && { name: first[0], value: first[1] };
}

function milliseconds(field: string, time: Timestamp): number {
  refuseUnknown(field, time);
  return timestampMs(time);
}
