// Callers that hand jobs over and do not wait for them: each asks one address through one door, and says in plain words
// what came of a submit.
import { Agent, request as send } from 'undici';
import { JobService } from '../../../gen/resproxy/v1/job_pb.ts';
import { callFailure, GrpcCaller } from '../../harness/grpc-caller.ts';
import type { Address, Job } from '../callers.ts';
import type { Door, Outcome } from '../history.ts';

export interface DurableJob extends Job {
  /** Without one, a submit that was not answered is not said again. */
  readonly key: string | undefined;
  /** Empty for any. */
  readonly exitId: string;
  readonly callbackUrl: string;
}

export type Submission =
  | { readonly result: 'taken'; readonly jobId: string }
  | Exclude<Outcome, { readonly result: 'succeeded' }>;

export interface Submitter {
  readonly door: Door;
  submit(job: DurableJob): Promise<Submission>;
  close(): Promise<void>;
}

/** Longer than a pod tries by itself to reach its store. */
const callBoundMs = 10_000;

/** The label by which a callback says which job it tells of. */
export const markerLabel = 'marker';

export function grpcSubmitter({ grpcPort, token }: Address): Submitter {
  const grpc = new GrpcCaller(grpcPort, token);
  const submit = async ({ id, method, url, body, key = '', exitId, callbackUrl }: DurableJob): Promise<Submission> => {
    const request = { url, method, body, headers: [{ name: 'x-marker', value: id }] };
    const labels = { [markerLabel]: id };
    const wanted = { request, labels, target: { exitId }, idempotencyKey: key, callback: { url: callbackUrl } };
    const { job } = await grpc.call(JobService.method.submitJob, wanted, { deadlineMs: callBoundMs });
    return job ? { result: 'taken', jobId: job.jobId } : { result: 'broken', why: 'no job' };
  };
  return { door: 'grpc', submit: (job) => submit(job).catch(grpcFault), close: () => grpc.close() };
}

/** HTTP/1.1 with one connection that is kept alive. */
export function restSubmitter({ httpPort, token }: Address): Submitter {
  const dispatcher = new Agent({ connections: 1, pipelining: 1, allowH2: false });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const submit = async (job: DurableJob): Promise<Submission> => {
    const signal = AbortSignal.timeout(callBoundMs);
    const path = `http://127.0.0.1:${httpPort}/jobs`;
    const answer = await send(path, { method: 'POST', headers, body: restBody(job), dispatcher, signal });
    const json = (await answer.body.json()) as { jobId: string; code: string; execution: string };
    if (answer.statusCode === 202) return { result: 'taken', jobId: json.jobId };
    return { result: 'failed', code: json.code, execution: json.execution };
  };
  const broken = (error: unknown) => ({ result: 'broken', why: String(error) }) as const;
  return { door: 'rest', submit: (job) => submit(job).catch(broken), close: () => dispatcher.destroy() };
}

function restBody({ id, method, url, body, key, exitId, callbackUrl }: DurableJob): string {
  return JSON.stringify({
    url,
    method,
    headers: { 'x-marker': id },
    ...(body.length > 0 && { body: body.toString('base64'), bodyEncoding: 'base64' }),
    ...(key !== undefined && { idempotencyKey: key }),
    ...(exitId !== '' && { target: { exitId } }),
    labels: { [markerLabel]: id },
    callback: { url: callbackUrl },
  });
}

function grpcFault(error: unknown): Submission {
  const { status, message, info } = callFailure(error);
  if (!info) return { result: 'broken', why: `${status} ${message}` };
  return { result: 'failed', code: info.reason, execution: info.metadata.execution ?? '' };
}
