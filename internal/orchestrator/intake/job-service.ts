// JobService, the one implementation behind every door: a request becomes a job, dispatch runs it, and what comes of
// it becomes the answer.
import type {
  RunJobRequest,
  RunJobResponse,
  StreamJobRequest,
  StreamJobResponse,
} from '../../../gen/resproxy/v1/job_pb.ts';
import type { Clock } from '../../kit/clock.ts';
import type { Job, JobRunner } from '../dispatch/job.ts';
import type { Code } from '../failure/table.ts';
import { asFailure } from './as-failure.ts';
import type { CallContext } from './call.ts';
import type { KeyedJobs } from './durable/keyed-jobs.ts';
import { toRunJobResponse, toStreamJobResponse } from './job-messages.ts';
import type { JobObserver } from './job-observer.ts';
import type { SiteRates } from './site-rates.ts';
import { toJob } from './validate/job-request.ts';

export interface JobServiceOptions {
  readonly runner: JobRunner;
  /** Runs what has an idempotency key. */
  readonly keyed: KeyedJobs;
  /** The clock of the runner: deadlines are told in its time. */
  readonly clock: Clock;
  readonly newJobId: () => string;
  readonly observer: JobObserver;
  readonly sites: Pick<SiteRates, 'enter'>;
  /** What no retry policy goes beyond. */
  readonly maxAttempts: number;
}

export class JobService {
  readonly #options: JobServiceOptions;

  constructor(options: JobServiceOptions) {
    this.#options = options;
  }

  /** Rejects with a JobFailure. */
  async runJob(request: RunJobRequest, context: CallContext): Promise<RunJobResponse> {
    const { runner, keyed, observer, clock } = this.#options;
    const startedAt = clock.now();
    let outcome: Code | 'OK' = 'OK';
    observer.started();
    try {
      if (request.idempotencyKey !== '') return await keyed.run(request, context);
      const job = this.#toJob(request, context, startedAt);
      return toRunJobResponse(job.id, await runner.run(job, context.signal));
    } catch (error) {
      const failure = asFailure(error);
      outcome = failure.code;
      throw failure;
    } finally {
      observer.finished(context.door, outcome, clock.now() - startedAt);
    }
  }

  /** Fails with a JobFailure. Leaving the loop cancels the job. */
  async *streamJob(
    request: StreamJobRequest,
    context: CallContext,
  ): AsyncGenerator<StreamJobResponse, void, undefined> {
    const { runner, observer, clock } = this.#options;
    const startedAt = clock.now();
    let outcome: Code | 'OK' = 'CANCELLED';
    observer.started();
    try {
      const job = this.#toJob(request, context, startedAt);
      for await (const event of runner.stream(job, context.signal)) yield toStreamJobResponse(job.id, event);
      outcome = 'OK';
    } catch (error) {
      const failure = asFailure(error);
      outcome = failure.code;
      throw failure;
    } finally {
      observer.finished(context.door, outcome, clock.now() - startedAt);
    }
  }

  #toJob(request: RunJobRequest | StreamJobRequest, context: CallContext, receivedAt: number): Job {
    const job = toJob(request, {
      id: this.#options.newJobId(),
      tenant: context.caller.tenant,
      receivedAt,
      deadlineMs: context.deadlineMs,
      traceparent: context.traceparent,
      maxAttempts: this.#options.maxAttempts,
    });
    this.#options.sites.enter(context.caller, job.request.url);
    return job;
  }
}
