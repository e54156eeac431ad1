// Jobs on the REST door: POST /jobs, which waits for the answer or hands the job over, and what can be asked of a job
// that was handed over.
import type { IncomingMessage } from 'node:http';
import type { Job } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { JobFailure } from '../../failure/failures.ts';
import { asFailure } from '../as-failure.ts';
import type { CallContext } from '../call.ts';
import type { DurableJobService } from '../durable/durable-job-service.ts';
import type { PaceOptions } from '../http/body-pace.ts';
import { headerOf } from '../http/exchange.ts';
import { rules, type Services } from '../methods.ts';
import { invalid } from '../validate/faults.ts';
import { checkBodyHead, readJson } from './body.ts';
import { type JobInput, toJobInput, toRunJobRequest } from './job-input.ts';
import { toChangeJson, toJobJson, toJobList } from './job-json.ts';
import { toAnswerJson } from './job-output.ts';
import { toListRequest } from './jobs-query.ts';
import { json, jsonText, type Reply } from './reply.ts';
import { type Answer, guarded, type Methods, type RestCall, readOnly, refuseQuery } from './route.ts';

export interface JobRouteServices extends Services {
  readonly pace: PaceOptions;
}

export function jobRoutes({ jobs, durable, pace }: JobRouteServices): readonly (readonly [string, Methods])[] {
  const take = guarded(rules.runJob, (call, context) => answerJob({ jobs, durable, pace }, call, context));
  const list = guarded(rules.readJob, async ({ query }, context) =>
    json(200, toJobList(await durable.listJobs(toListRequest(query), context))),
  );
  const get = guarded(rules.readJob, async (call, context) => {
    const { job } = await durable.getJob({ $typeName: 'resproxy.v1.GetJobRequest', jobId: named(call) }, context);
    return json(200, toJobJson(present(job)));
  });
  const cancel = guarded(rules.endJob, async (call, context) => {
    const { job } = await durable.cancelJob({ $typeName: 'resproxy.v1.CancelJobRequest', jobId: named(call) }, context);
    return json(200, toJobJson(present(job)));
  });
  const result = guarded(rules.readJob, async (call, context) => {
    const request = { $typeName: 'resproxy.v1.GetJobResultRequest', jobId: named(call) } as const;
    return jsonText(200, toAnswerJson(await durable.wholeResult(request, context), context.requestId));
  });
  const redrive = guarded(rules.runJob, async (call, context) => {
    const request = { $typeName: 'resproxy.v1.RedriveJobRequest', jobId: named(call) } as const;
    return accepted('Job accepted again.', (await durable.redriveJob(request, context)).job, context);
  });
  return [
    ['/jobs', new Map([...readOnly(list), ['POST', take]])],
    ['/jobs/{id}', new Map([...readOnly(get), ['DELETE', cancel]])],
    ['/jobs/{id}/result', readOnly(result)],
    ['/jobs/{id}/events', new Map([['GET', guarded(rules.readJob, events(durable))]])],
    ['/jobs/{id}/redrive', new Map([['POST', redrive]])],
  ];
}

async function answerJob(
  { jobs, durable, pace }: Pick<JobRouteServices, 'jobs' | 'durable' | 'pace'>,
  call: RestCall,
  context: CallContext,
): Promise<Reply> {
  const { request, response, query } = call;
  const syncInQuery = isSync(query);
  checkBodyHead(request);
  const key = keyInHeader(request);
  if (call.expectsContinue) response.writeContinue();
  const input = toJobInput(await readJson(request, pace));
  const asked = { ...input.request, idempotencyKey: oneKey(key, input) };
  if (syncInQuery || input.sync) {
    if (input.durableField !== undefined)
      throw invalid(input.durableField, 'is for a job that nobody waits for: leave sync out');
    return jsonText(200, toAnswerJson(await jobs.runJob(toRunJobRequest(asked), context), context.requestId));
  }
  const { job, existed } = await durable.submitJob(asked, context);
  return accepted(existed ? 'Job accepted before.' : 'Job accepted.', job, context);
}

/** Each change with its cursor, which a reader that comes back sends as Last-Event-ID. 204 tells it to stay away. */
function events(durable: DurableJobService): Answer {
  return async (call, context) => {
    const cursor = headerOf(call.request, 'last-event-id') ?? '';
    const request = { $typeName: 'resproxy.v1.WatchJobRequest', jobId: named(call), cursor } as const;
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

function accepted(message: string, job: Job | undefined, { requestId }: CallContext): Reply {
  const { jobId } = present(job);
  return { ...json(202, { message, jobId, requestId }), headers: { location: `/jobs/${jobId}` } };
}

function named({ jobId, query }: RestCall): string {
  refuseQuery(query);
  return jobId;
}

function present(job: Job | undefined): Job {
  if (!job) throw asFailure(new Error('the service answered without a job'));
  return job;
}

function isSync(query: URLSearchParams): boolean {
  for (const name of query.keys()) if (name !== 'sync') throw invalid(name, 'is no parameter of a job');
  const values = query.getAll('sync');
  if (values.length === 0) return false;
  if (values.length > 1 || !['true', 'false'].includes(values[0] ?? '')) throw invalid('sync', 'must be true or false');
  return values[0] === 'true';
}

/** Written plainly, or as the structured string that the draft of the IETF has. */
function keyInHeader({ headers }: IncomingMessage): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  const [, plain = key] = /^"([^"\\]*)"$/.exec(String(key)) ?? [];
  if (plain === '') throw invalid('Idempotency-Key', 'is empty');
  return String(plain);
}

function oneKey(key: string | undefined, { request: { idempotencyKey } }: JobInput): string {
  if (key === undefined) return idempotencyKey;
  if (idempotencyKey === '' || idempotencyKey === key) return key;
  throw new JobFailure('INVALID_REQUEST', {
    field: 'Idempotency-Key',
    detail: 'Idempotency-Key: the header and idempotencyKey in the body differ',
  });
}
