// How jobs come in by this door: POST /jobs, whose caller waits for the answer or hands the job over, and POST /jobs/batch,
// where each job has its own outcome.
import type { IncomingMessage } from 'node:http';
import type { Job, SubmitJobRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { JobFailure } from '../../failure/failures.ts';
import type { CallContext } from '../call.ts';
import type { Submission } from '../durable/durable-job-service.ts';
import type { PaceOptions } from '../http/body-pace.ts';
import type { Services } from '../methods.ts';
import { invalid } from '../validate/faults.ts';
import { checkBodyHead, readJson } from './body.ts';
import { type JobInput, toJobInput, toRunJobRequest } from './job-input.ts';
import { presentJob } from './job-json.ts';
import { toAnswerJson } from './job-output.ts';
import { problemBody } from './problem.ts';
import { json, jsonText, type Reply } from './reply.ts';
import { type RestCall, refuseQuery } from './route.ts';

export interface SubmissionServices extends Services {
  readonly pace: PaceOptions;
}

export async function answerJob(
  { jobs, durable, pace }: Pick<SubmissionServices, 'jobs' | 'durable' | 'pace'>,
  call: RestCall,
  context: CallContext,
): Promise<Reply> {
  const syncInQuery = isSync(call.query);
  if (syncInQuery) call.waitsForJob();
  const key = keyInHeader(call.request);
  const input = toJobInput(await bodyOf(call, pace));
  const asked = { ...input.request, idempotencyKey: oneKey(key, input) };
  if (!syncInQuery && !input.sync) {
    const { job, existed } = await durable.submitJob(asked, context);
    return accepted(acceptance(existed), job, context);
  }
  call.waitsForJob();
  if (input.durableField !== undefined)
    throw invalid(input.durableField, 'is for a job that nobody waits for: leave sync out');
  return jsonText(200, toAnswerJson(await jobs.runJob(toRunJobRequest(asked), context), context.requestId));
}

export async function answerBatch(
  { durable, pace }: Pick<SubmissionServices, 'durable' | 'pace'>,
  call: RestCall,
  context: CallContext,
): Promise<Reply> {
  refuseQuery(call.query);
  if (keyInHeader(call.request) !== undefined)
    throw invalid('Idempotency-Key', 'is for one job: give each its own idempotencyKey');
  const inputs = listOfJobs(await bodyOf(call, pace));
  const submissions = await durable.submitEach(
    inputs.map((input) => () => handedOver(toJobInput(input))),
    context,
  );
  return json(200, { requestId: context.requestId, jobs: submissions.map((one) => outcomeOf(one, context)) });
}

export function accepted(message: string, job: Job | undefined, { requestId }: CallContext): Reply {
  const { jobId } = presentJob(job);
  return { ...json(202, { message, jobId, requestId }), headers: { location: `/jobs/${jobId}` } };
}

function acceptance(existed: boolean): string {
  return existed ? 'Job accepted before.' : 'Job accepted.';
}

/** What POST /jobs would have answered, with its status. */
function outcomeOf(submission: Submission, { requestId }: CallContext): object {
  if (submission.kind === 'refused') return problemBody(submission.failure, { requestId, isJob: false });
  const { job, existed } = submission.response;
  return { status: 202, message: acceptance(existed), jobId: presentJob(job).jobId };
}

async function bodyOf({ request, response, expectsContinue }: RestCall, pace: PaceOptions): Promise<unknown> {
  checkBodyHead(request);
  if (expectsContinue) response.writeContinue();
  return readJson(request, pace);
}

function listOfJobs(body: unknown): readonly unknown[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw new JobFailure('INVALID_REQUEST', { detail: 'The JSON must be an object.' });
  const { jobs, ...rest } = body as Readonly<Record<string, unknown>>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw invalid(unknown, 'is no field of a batch');
  if (!Array.isArray(jobs)) throw invalid('jobs', 'must be a list of jobs');
  return jobs;
}

function handedOver({ sync, request }: JobInput): SubmitJobRequest {
  if (sync) throw invalid('sync', 'is for POST /jobs: nobody waits for a job of a batch');
  return request;
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
