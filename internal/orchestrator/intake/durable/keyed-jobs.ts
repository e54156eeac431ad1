// RunJob with an idempotency key: a durable job, and its caller waits for the end of it. Whoever sends the same key gets
// the same job, while it runs and after. The job outlives its callers, so that one who asks again has its answer.
import type { SubmitJobRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { RunJobRequest, RunJobResponse } from '../../../../gen/resproxy/v1/job_pb.ts';
import type { Clock } from '../../../kit/clock.ts';
import { JobFailure } from '../../failure/failures.ts';
import { hasEnded, type JobEvent, type JobRecord } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import type { CallContext } from '../call.ts';
import { toDuration } from '../job-messages.ts';
import { timeoutMs } from '../validate/durations.ts';
import { refuseUnknown } from '../validate/faults.ts';
import { refuseRetryOnStatus } from '../validate/job-request.ts';
import { durableBounds } from './durable-bounds.ts';
import { resultGone } from './durable-failures.ts';
import type { JobChanges } from './job-changes.ts';
import { keptAnswer, keptFailure } from './kept-answer.ts';
import { ask } from './store-failure.ts';
import type { Submitter } from './submitter.ts';

export interface KeyedJobsOptions {
  readonly store: JobStore;
  readonly changes: JobChanges;
  readonly submitter: Submitter;
  readonly clock: Clock;
}

export class KeyedJobs {
  readonly #options: KeyedJobsOptions;

  constructor(options: KeyedJobsOptions) {
    this.#options = options;
  }

  /** Rejects with a JobFailure. */
  async run(request: RunJobRequest, context: CallContext): Promise<RunJobResponse> {
    const { store, submitter, clock } = this.#options;
    const waitUntil = clock.now() + timeoutMs(request.timeout, context.deadlineMs);
    const { job } = await submitter.submit(toSubmit(request), context);
    const ended = hasEnded(job.state) ? job : await this.#end(job, waitUntil - clock.now(), context.signal);
    if (ended.state !== 'SUCCEEDED') throw keptFailure(ended);
    return keptAnswer(store, ended);
  }

  async #end(job: JobRecord, ms: number, signal: AbortSignal): Promise<JobRecord> {
    const { store, changes, clock } = this.#options;
    const overdue = new AbortController();
    const cancel = clock.after(Math.max(0, ms), () => overdue.abort());
    let last: Pick<JobEvent, 'state' | 'attempt'> = job;
    try {
      const until = AbortSignal.any([signal, overdue.signal]);
      for await (const event of changes.after(job, job.sequence, until)) last = event;
    } finally {
      cancel();
    }
    if (!hasEnded(last.state)) throw interrupted(job.jobId, last, overdue.signal.aborted);
    const record = await ask(store.get(job));
    if (!record) throw resultGone(job.jobId);
    return record;
  }
}

/** The job itself goes on. */
function interrupted(jobId: string, { attempt }: Pick<JobEvent, 'attempt'>, overdue: boolean): JobFailure {
  const execution = attempt > 0 ? 'POSSIBLE' : 'NOT_STARTED';
  return new JobFailure(overdue ? 'DEADLINE_EXCEEDED' : 'CANCELLED', { jobId, execution });
}

/** It waits in the queue as long as its caller would. */
function toSubmit(request: RunJobRequest): SubmitJobRequest {
  refuseUnknown('', request);
  refuseRetryOnStatus(request.retry);
  const { timeout, target, retry, idempotencyKey } = request;
  const queueMs = Math.max(durableBounds.minQueueMs, timeoutMs(timeout, undefined));
  return {
    $typeName: 'resproxy.v1.SubmitJobRequest',
    idempotencyKey,
    queueTimeout: toDuration(queueMs),
    labels: {},
    atMostOnce: false,
    ...(request.request && { request: request.request }),
    ...(timeout && { timeout }),
    ...(target && { target }),
    ...(retry && { retry }),
  };
}
