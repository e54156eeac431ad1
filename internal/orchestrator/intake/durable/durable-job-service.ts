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
  RedeliverCallbackRequest,
  RedeliverCallbackResponse,
  RedriveJobRequest,
  RedriveJobResponse,
  SubmitJobRequest,
  SubmitJobResponse,
  SubmitJobsRequest,
  SubmitJobsResponse,
  SubmitOutcome,
  WatchJobRequest,
  WatchJobResponse,
  WatchJobsRequest,
  WatchJobsResponse,
} from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { RunJobResponse } from '../../../../gen/resproxy/v1/job_pb.ts';
import type { Logger } from '../../../kit/log.ts';
import type { JobFailure } from '../../failure/failures.ts';
import { hasEnded, type JobRecord, type JobRef } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { chargeJobs } from '../admission.ts';
import { asFailure, logDefect } from '../as-failure.ts';
import type { CallContext } from '../call.ts';
import { invalid, refuseUnknown } from '../validate/faults.ts';
import { Watches } from '../watches.ts';
import { durableBounds } from './durable-bounds.ts';
import { notFound, notRedeliverable, redriven, resultGone, withoutResult } from './durable-failures.ts';
import { type Insistence, insist } from './insist.ts';
import type { JobChanges } from './job-changes.ts';
import {
  toCallback,
  toChange,
  toJobMessage,
  toResultHead,
  toSubmitFailure,
  toWatchJobsResponse,
} from './job-record-messages.ts';
import { keptAnswer } from './kept-answer.ts';
import { LabelWatch } from './label-watch.ts';
import { toListQuery } from './list-request.ts';
import { pieces } from './result-body.ts';
import { ask } from './store-failure.ts';
import type { Submitter } from './submitter.ts';
import { toLabelWatch } from './watch-request.ts';

export interface DurableJobServiceOptions extends Insistence {
  readonly store: JobStore;
  readonly changes: JobChanges;
  readonly submitter: Submitter;
  readonly newJobId: () => string;
  readonly log: Logger;
}

/** What came of one job of a batch. */
export type Submission =
  | { readonly kind: 'taken'; readonly response: SubmitJobResponse }
  | { readonly kind: 'refused'; readonly failure: JobFailure };

/** Any request about one job. */
interface Named {
  readonly jobId: string;
  readonly $unknown?: readonly { readonly no: number }[] | undefined;
}

const cursorPattern = /^\d{1,9}$/;

export class DurableJobService {
  readonly #options: DurableJobServiceOptions;
  readonly #watches: Watches;

  constructor(options: DurableJobServiceOptions) {
    this.#options = options;
    this.#watches = new Watches(options.clock);
  }

  async submitJob(request: SubmitJobRequest, context: CallContext): Promise<SubmitJobResponse> {
    const { job, existed } = await this.#options.submitter.submit(request, context);
    return { $typeName: 'resproxy.v1.SubmitJobResponse', job: await this.#toJob(job), existed };
  }

  async submitJobs(request: SubmitJobsRequest, context: CallContext): Promise<SubmitJobsResponse> {
    refuseUnknown('', request);
    const outcomes = await this.submitEach(
      request.jobs.map((job) => () => job),
      context,
    );
    return { $typeName: 'resproxy.v1.SubmitJobsResponse', outcomes: outcomes.map(toOutcomeMessage) };
  }

  /** The same, of requests that are still to be read. The whole of it fails only for its size. */
  async submitEach(
    requests: readonly (() => SubmitJobRequest)[],
    context: CallContext,
  ): Promise<readonly Submission[]> {
    const { maxBatch } = durableBounds;
    if (requests.length < 1 || requests.length > maxBatch) throw invalid('jobs', `must be 1 to ${maxBatch}`);
    chargeJobs(context.caller, requests.length - 1);
    return Promise.all(requests.map((read) => this.#submission(read, context)));
  }

  /** Never rejects. A request is read when its turn comes; the order of the list is that of the jobs' age. */
  async #submission(read: () => SubmitJobRequest, context: CallContext): Promise<Submission> {
    try {
      return { kind: 'taken', response: await this.submitJob(read(), context) };
    } catch (error) {
      const failure = asFailure(error);
      logDefect(this.#options.log, failure, context.requestId);
      return { kind: 'refused', failure };
    }
  }

  /** Ends with the job's end, and as every watch does. */
  async *watchJob(request: WatchJobRequest, context: CallContext): AsyncGenerator<WatchJobResponse, void, undefined> {
    const changes = await this.openWatch(request, context);
    if (changes) yield* changes;
  }

  /** The same, once it is known that there is such a job; undefined when nothing is left to tell. */
  async openWatch(
    request: WatchJobRequest,
    context: CallContext,
  ): Promise<AsyncGenerator<WatchJobResponse, void, undefined> | undefined> {
    const job = await this.#find(request, context);
    const after = readCursor(request.cursor, job);
    return hasEnded(job.state) && after === job.sequence ? undefined : this.#changes(job, after, context);
  }

  async *#changes(job: JobRef, after: number, context: CallContext): AsyncGenerator<WatchJobResponse, void, undefined> {
    const { changes } = this.#options;
    for await (const event of this.#watches.during(context, (until) => changes.after(job, after, until)))
      yield toChange(job.jobId, event);
  }

  /** Ends as watchJob does, and with nothing else. Throws at once what is wrong with the request. */
  watchJobs(request: WatchJobsRequest, context: CallContext): AsyncGenerator<WatchJobsResponse, void, undefined> {
    return this.#labelled(toLabelWatch(request), context);
  }

  async *#labelled(
    asked: ReturnType<typeof toLabelWatch>,
    context: CallContext,
  ): AsyncGenerator<WatchJobsResponse, void, undefined> {
    const { store, changes, clock } = this.#options;
    const { tenant } = context.caller;
    const open = (signal: AbortSignal) => new LabelWatch({ store, changes, clock, tenant, ...asked, signal }).told();
    for await (const told of this.#watches.during(context, open)) yield toWatchJobsResponse(told);
  }

  /** A watch may go on for days: whoever watches is sent to another pod. */
  endWatches(): void {
    this.#watches.end();
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
    const head = await ask(store.result(record));
    if (!head) throw resultGone(record.jobId);
    yield part({ case: 'head', value: toResultHead(record, head) });
    for await (const value of pieces(store, record, head)) yield part({ case: 'body', value });
  }

  /** The same in one message, as RunJob answers. */
  async wholeResult(request: GetJobResultRequest, context: CallContext): Promise<RunJobResponse> {
    const record = await this.#find(request, context);
    if (record.state !== 'SUCCEEDED') throw withoutResult(record);
    return keptAnswer(this.#options.store, record);
  }

  /** A job that is over is returned as it is. */
  async cancelJob(request: CancelJobRequest, context: CallContext): Promise<CancelJobResponse> {
    const ref = refOf(request, context);
    const cancelled = await insist(() => this.#options.store.cancel(ref), this.#options);
    if (cancelled.kind === 'not-found') throw notFound();
    return { $typeName: 'resproxy.v1.CancelJobResponse', job: await this.#toJob(cancelled.job) };
  }

  async listJobs(request: ListJobsRequest, { caller }: CallContext): Promise<ListJobsResponse> {
    const { filter, size, cursor } = toListQuery(request);
    const { jobs, next } = await ask(this.#options.store.list(caller.tenant, filter, size, cursor));
    return {
      $typeName: 'resproxy.v1.ListJobsResponse',
      jobs: jobs.map((record) => toJobMessage(record, undefined)),
      nextPageToken: next,
    };
  }

  async redriveJob(request: RedriveJobRequest, context: CallContext): Promise<RedriveJobResponse> {
    const { store, newJobId } = this.#options;
    const ref = refOf(request, context);
    const jobId = newJobId();
    const job = redriven(await insist(() => store.redrive(ref, jobId), this.#options));
    return { $typeName: 'resproxy.v1.RedriveJobResponse', job: await this.#toJob(job) };
  }

  async redeliverCallback(request: RedeliverCallbackRequest, context: CallContext): Promise<RedeliverCallbackResponse> {
    const record = await this.#find(request, context);
    const state = await insist(() => this.#options.store.redeliver(record), this.#options);
    if (!state) throw notRedeliverable(record);
    const callback = toCallback(state, record.jobId);
    return { $typeName: 'resproxy.v1.RedeliverCallbackResponse', callback };
  }

  async #find(request: Named, context: CallContext): Promise<JobRecord> {
    const record = await ask(this.#options.store.get(refOf(request, context)));
    if (!record) throw notFound();
    return record;
  }

  async #toJob(record: JobRecord): Promise<Job> {
    const head = record.state === 'SUCCEEDED' ? await ask(this.#options.store.result(record)) : undefined;
    return toJobMessage(record, head);
  }
}

function toOutcomeMessage(submission: Submission): SubmitOutcome {
  const outcome: SubmitOutcome['outcome'] =
    submission.kind === 'taken'
      ? { case: 'submitted', value: submission.response }
      : { case: 'failure', value: toSubmitFailure(submission.failure) };
  return { $typeName: 'resproxy.v1.SubmitOutcome', outcome };
}

function refOf(request: Named, { caller }: CallContext): JobRef {
  refuseUnknown('', request);
  if (request.jobId === '') throw invalid('job_id', 'is missing');
  return { tenant: caller.tenant, jobId: request.jobId };
}

function readCursor(cursor: string, { sequence }: JobRecord): number {
  if (cursor === '') return 0;
  if (!cursorPattern.test(cursor) || Number(cursor) > sequence)
    throw invalid('cursor', 'is not one that this API gave for the job');
  return Number(cursor);
}

function part(value: GetJobResultResponse['part']): GetJobResultResponse {
  return { $typeName: 'resproxy.v1.GetJobResultResponse', part: value };
}
