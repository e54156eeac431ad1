// Jobs on the REST door: which path by which method is which call of the service.
import { rules } from '../methods.ts';
import { jobEvents, labelledEvents } from './job-events.ts';
import { presentJob, toCallbackJson, toJobJson, toJobList } from './job-json.ts';
import { toAnswerJson } from './job-output.ts';
import { accepted, answerBatch, answerJob, type SubmissionServices } from './job-submission.ts';
import { toListRequest } from './jobs-query.ts';
import { json, jsonText } from './reply.ts';
import { guarded, type Methods, namedJob, readOnly } from './route.ts';

export function jobRoutes({ jobs, durable, pace }: SubmissionServices): readonly (readonly [string, Methods])[] {
  const take = guarded(rules.runJob, (call, context) => answerJob({ jobs, durable, pace }, call, context));
  const list = guarded(rules.readJob, async ({ query }, context) =>
    json(200, toJobList(await durable.listJobs(toListRequest(query), context))),
  );
  const get = guarded(rules.readJob, async (call, context) => {
    const { job } = await durable.getJob({ $typeName: 'resproxy.v1.GetJobRequest', jobId: namedJob(call) }, context);
    return json(200, toJobJson(presentJob(job)));
  });
  const cancel = guarded(rules.actOnJob, async (call, context) => {
    const { job } = await durable.cancelJob(
      { $typeName: 'resproxy.v1.CancelJobRequest', jobId: namedJob(call) },
      context,
    );
    return json(200, toJobJson(presentJob(job)));
  });
  const result = guarded(rules.readJob, async (call, context) => {
    const request = { $typeName: 'resproxy.v1.GetJobResultRequest', jobId: namedJob(call) } as const;
    return jsonText(200, toAnswerJson(await durable.wholeResult(request, context), context.requestId));
  });
  const redrive = guarded(rules.runJob, async (call, context) => {
    const request = { $typeName: 'resproxy.v1.RedriveJobRequest', jobId: namedJob(call) } as const;
    return accepted('Job accepted again.', (await durable.redriveJob(request, context)).job, context);
  });
  const redeliver = guarded(rules.actOnJob, async (call, context) => {
    const request = { $typeName: 'resproxy.v1.RedeliverCallbackRequest', jobId: namedJob(call) } as const;
    const { callback } = await durable.redeliverCallback(request, context);
    return json(202, { jobId: request.jobId, callback: callback && toCallbackJson(callback) });
  });
  const batch = guarded(rules.runJob, (call, context) => answerBatch({ durable, pace }, call, context));
  return [
    ['/jobs', new Map([...readOnly(list), ['POST', take]])],
    ['/jobs/events', new Map([['GET', guarded(rules.readJob, labelledEvents(durable))]])],
    ['/jobs/batch', new Map([['POST', batch]])],
    ['/jobs/{id}', new Map([...readOnly(get), ['DELETE', cancel]])],
    ['/jobs/{id}/result', readOnly(result)],
    ['/jobs/{id}/events', new Map([['GET', guarded(rules.readJob, jobEvents(durable))]])],
    ['/jobs/{id}/redrive', new Map([['POST', redrive]])],
    ['/jobs/{id}/callback/redeliver', new Map([['POST', redeliver]])],
  ];
}
