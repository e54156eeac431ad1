// Changes of jobs as server-sent events: of one job until it is over.
import type { DurableJobService } from '../durable/durable-job-service.ts';
import { headerOf } from '../http/exchange.ts';
import { toChangeJson } from './job-json.ts';
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
