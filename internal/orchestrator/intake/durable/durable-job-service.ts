// The durable half of JobService, the one implementation behind every door: hand a job over, watch it, read it, end it.
import type {
  CancelJobRequest,
  CancelJobResponse,
  GetJobRequest,
  GetJobResponse,
  GetJobResultRequest,
  GetJobResultResponse,
  Job,
  ListJobsRequest,
  ListJobsResponse,
  RedriveJobRequest,
  RedriveJobResponse,
  SubmitJobRequest,
  SubmitJobResponse,
  WatchJobRequest,
  WatchJobResponse,
} from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import { JobFailure } from '../../failure/failures.ts';
import { hasEnded, type JobRecord } from '../../jobs/job.ts';
import type { JobStore, Redriven, Submitted } from '../../jobs/job-store.ts';
import type { CallContext } from '../call.ts';
import { invalid, refuseUnknown } from '../validate/faults.ts';
import type { JobChanges } from './job-changes.ts';
import { toChange, toJobMessage, toResultHead } from './job-record-messages.ts';
import { toListQuery } from './list-request.ts';
import { asStoreFailure } from './store-failure.ts';
import { type SubmitFacts, toNewJob } from './submit-request.ts';

export interface DurableJobServiceOptions extends Pick<SubmitFacts, 'maxAttempts' | 'resultTtlMs' | 'callbackFault'> {
  readonly store: JobStore;
  readonly changes: JobChanges;
  readonly newJobId: () => string;
}

const cursorPattern = /^\d{1,9}$/;
const maxPieceBytes = 32 * 1024;

export class DurableJobService {
  readonly #options: DurableJobServiceOptions;
  readonly #leaving = new AbortController();

  constructor(options: DurableJobServiceOptions) {
    this.#options = options;
  }

  async submitJob(request: SubmitJobRequest, { caller, traceparent }: CallContext): Promise<SubmitJobResponse> {
    const { store, newJobId, maxAttempts, resultTtlMs, callbackFault } = this.#options;
    const facts = { jobId: newJobId(), caller, traceparent, maxAttempts, resultTtlMs, callbackFault };
    const submitted = await this.#ask(store.submit(toNewJob(request, facts)));
    const existed = submitted.kind === 'same';
    return { $typeName: 'resproxy.v1.SubmitJobResponse', job: await this.#toJob(accepted(submitted)), existed };
  }

  /** Ends with the job's end, when the caller goes away, and fails with DRAINING when the pod does. */
  async *watchJob(
    request: WatchJobRequest,
    { caller, signal }: CallContext,
  ): AsyncGenerator<WatchJobResponse, void, undefined> {
    refuseUnknown('', request);
    if (request.cursor !== '' && !cursorPattern.test(request.cursor))
      throw invalid('cursor', 'is not one that this API gave');
    const ref = { tenant: caller.tenant, jobId: required(request.jobId) };
    const leaving = this.#leaving.signal;
    const until = AbortSignal.any([signal, leaving]);
    for await (const events of this.#options.changes.after(ref, Number(request.cursor || 0), until)) {
      if (!events) throw new JobFailure('JOB_NOT_FOUND', { field: 'job_id' });
      for (const event of events) yield toChange(ref.jobId, event);
    }
    if (leaving.aborted && !signal.aborted) throw new JobFailure('DRAINING');
  }

  /** A watch may go on for days: whoever watches is sent to another pod. */
  endWatches(): void {
    this.#leaving.abort();
  }

  async getJob(request: GetJobRequest, context: CallContext): Promise<GetJobResponse> {
    const job = await this.#toJob(await this.#find(request, context));
    return { $typeName: 'resproxy.v1.GetJobResponse', job };
  }

  async *getJobResult(
    request: GetJobResultRequest,
    context: CallContext,
  ): AsyncGenerator<GetJobResultResponse, void, undefined> {
    const { store } = this.#options;
    const record = await this.#find(request, context);
    if (record.state !== 'SUCCEEDED') throw withoutResult(record);
    const head = await this.#ask(store.result(record));
    if (!head) throw resultGone();
    yield part({ case: 'head', value: toResultHead(record, head) });
    for (let index = 0; index < head.chunks; index++) {
      const chunk = await this.#ask(store.resultChunk(record, index));
      if (!chunk) throw resultGone();
      for (let at = 0; at < chunk.length; at += maxPieceBytes)
        yield part({ case: 'body', value: chunk.subarray(at, at + maxPieceBytes) });
    }
  }

  /** A job that is over is returned as it is. */
  async cancelJob(request: CancelJobRequest, { caller }: CallContext): Promise<CancelJobResponse> {
    refuseUnknown('', request);
    const ref = { tenant: caller.tenant, jobId: required(request.jobId) };
    const cancelled = await this.#ask(this.#options.store.cancel(ref));
    if (cancelled.kind === 'not-found') throw notFound();
    return { $typeName: 'resproxy.v1.CancelJobResponse', job: await this.#toJob(cancelled.job) };
  }

  async listJobs(request: ListJobsRequest, { caller }: CallContext): Promise<ListJobsResponse> {
    const { filter, size, cursor } = toListQuery(request);
    const { jobs, next } = await this.#ask(this.#options.store.list(caller.tenant, filter, size, cursor));
    return {
      $typeName: 'resproxy.v1.ListJobsResponse',
      jobs: jobs.map((record) => toJobMessage(record, undefined)),
      nextPageToken: next,
    };
  }

  async redriveJob(request: RedriveJobRequest, { caller }: CallContext): Promise<RedriveJobResponse> {
    refuseUnknown('', request);
    const { store, newJobId } = this.#options;
    const ref = { tenant: caller.tenant, jobId: required(request.jobId) };
    const redriven = await this.#ask(store.redrive(ref, newJobId()));
    return { $typeName: 'resproxy.v1.RedriveJobResponse', job: await this.#toJob(repeated(redriven)) };
  }

  async #find(request: GetJobRequest | GetJobResultRequest, { caller }: CallContext): Promise<JobRecord> {
    refuseUnknown('', request);
    const record = await this.#ask(this.#options.store.get({ tenant: caller.tenant, jobId: required(request.jobId) }));
    if (!record) throw notFound();
    return record;
  }

  async #toJob(record: JobRecord): Promise<Job> {
    const head = record.state === 'SUCCEEDED' ? await this.#ask(this.#options.store.result(record)) : undefined;
    return toJobMessage(record, head);
  }

  async #ask<T>(answer: Promise<T>): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      throw asStoreFailure(error);
    }
  }
}

function accepted(submitted: Submitted): JobRecord {
  if (submitted.kind === 'queue-full') throw queueFull(submitted.open);
  if (submitted.kind === 'conflict') throw new JobFailure('IDEMPOTENCY_KEY_CONFLICT', { field: 'idempotency_key' });
  return submitted.job;
}

function repeated(redriven: Redriven): JobRecord {
  switch (redriven.kind) {
    case 'not-found':
      throw notFound();
    case 'queue-full':
      throw queueFull(redriven.open);
    case 'not-redrivable':
      throw new JobFailure('JOB_STATE_CONFLICT', {
        field: 'job_id',
        detail: 'Only a job that ended without success can be submitted again.',
      });
    default:
      return redriven.job;
  }
}

function required(jobId: string): string {
  if (jobId === '') throw invalid('job_id', 'is missing');
  return jobId;
}

function notFound(): JobFailure {
  return new JobFailure('JOB_NOT_FOUND', { field: 'job_id' });
}

function withoutResult({ state }: JobRecord): JobFailure {
  const detail = hasEnded(state)
    ? `The job ended without a result: ${state}.`
    : `The job is not over yet: ${state}. Watch it, or ask again later.`;
  return new JobFailure('JOB_STATE_CONFLICT', { field: 'job_id', detail });
}

function resultGone(): JobFailure {
  return new JobFailure('JOB_NOT_FOUND', { field: 'job_id', detail: 'The result was kept long enough and is gone.' });
}

function queueFull(open: number): JobFailure {
  return new JobFailure('TENANT_QUEUE_FULL', { detail: `The tenant has ${open} jobs that are not over, its limit.` });
}

function part(value: GetJobResultResponse['part']): GetJobResultResponse {
  return { $typeName: 'resproxy.v1.GetJobResultResponse', part: value };
}
