// Changes of jobs as server-sent events: of one job until it is over, or of all jobs with a label.
import type { WatchJobsResponse } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { DurableJobService } from '../durable/durable-job-service.ts';
import { headerOf } from '../http/exchange.ts';
import { toChangeJson, toJobJson } from './job-json.ts';
import { toWatchJobsRequest } from './jobs-query.ts';
import { type Answer, namedJob } from './route.ts';

/** Each change with its cursor, which a reader that comes back sends as Last-Event-ID. 204 tells it to stay away. */
export function jobEvents(durable: DurableJobService): Answer {
  return async (call, context) => {
    const cursor = headerOf(call.request, 'last-event-id') ?? '';
    const request = { $typeName: 'resproxy.v1.WatchJobRequest', jobId: namedJob(call), cursor } as const;
    const changes = await durable.openWatch(request, context);
    const stream = call.openEvents();
    if (!changes) {
      stream.nothing();
      return undefined;
    }
    stream.begin();
    try {
      for await (const change of changes) await stream.send(change.cursor, JSON.stringify(toChangeJson(change)));
    } finally {
      stream.close();
    }
    return undefined;
  };
}

/** The same for every job with a label; how a job stands, and that all were told of, have a name of their own. */
export function labelledEvents(durable: DurableJobService): Answer {
  return async (call, context) => {
    const cursor = headerOf(call.request, 'last-event-id') ?? '';
    const told = durable.watchJobs(toWatchJobsRequest(call.query, cursor), context);
    const stream = call.openEvents();
    stream.begin();
    try {
      for await (const { cursor, event } of told) await stream.send(cursor, ...toNamedJson(event));
    } finally {
      stream.close();
    }
    return undefined;
  };
}

function toNamedJson(event: WatchJobsResponse['event']): [data: string, name?: string] {
  switch (event.case) {
    case 'change':
      return [JSON.stringify(toChangeJson(event.value))];
    case 'present':
      return [JSON.stringify(toJobJson(event.value)), event.case];
    default:
      return ['{}', 'synced'];
  }
}
