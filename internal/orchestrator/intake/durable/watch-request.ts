// A WatchJobsRequest into what is watched, or the first fault in it.
import type { WatchJobsRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { invalid, refuseUnknown } from '../validate/faults.ts';
import type { LabelWatchOptions } from './label-watch.ts';

/** Unix milliseconds. */
const cursorPattern = /^\d{1,15}$/;

/** Throws a JobFailure that names the field. */
export function toLabelWatch(request: WatchJobsRequest): Pick<LabelWatchOptions, 'label' | 'start'> {
  refuseUnknown('', request);
  const { labels, cursor, presentFirst } = request;
  const [label, ...rest] = Object.entries(labels);
  if (!label || rest.length > 0) throw invalid('labels', 'must be exactly one');
  const [name, value] = label;
  if (cursor === '') return { label: { name, value }, start: { kind: presentFirst ? 'present' : 'now' } };
  if (presentFirst) throw invalid('present_first', 'contradicts cursor: set one of them');
  if (!cursorPattern.test(cursor)) throw invalid('cursor', 'is not one that this API gave');
  return { label: { name, value }, start: { kind: 'cursor', at: Number(cursor) } };
}
