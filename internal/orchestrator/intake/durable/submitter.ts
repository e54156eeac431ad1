// Takes durable jobs into the store. The id is made here, so that a submit whose answer was lost is said again and
// gives one job.
import type { SubmitJobRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { JobRecord, NewJob } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { asFailure } from '../as-failure.ts';
import type { CallContext } from '../call.ts';
import type { SiteRates } from '../site-rates.ts';
import { accepted, perhapsTaken } from './durable-failures.ts';
import { type Insistence, insist } from './insist.ts';
import { type SubmitFacts, toNewJob } from './submit-request.ts';

export interface SubmitterOptions
  extends Insistence,
    Pick<SubmitFacts, 'maxAttempts' | 'resultTtlMs' | 'callbackFault'> {
  readonly store: JobStore;
  readonly sites: Pick<SiteRates, 'enter'>;
  readonly newJobId: () => string;
}

export interface Taken {
  readonly job: JobRecord;
  /** It was there already, by its idempotency key. */
  readonly existed: boolean;
}

export class Submitter {
  readonly #options: SubmitterOptions;

  constructor(options: SubmitterOptions) {
    this.#options = options;
  }

  /** Rejects with a JobFailure. */
  async submit(request: SubmitJobRequest, { caller, traceparent }: CallContext): Promise<Taken> {
    const { newJobId, maxAttempts, resultTtlMs, callbackFault } = this.#options;
    const facts = { jobId: newJobId(), caller, traceparent, maxAttempts, resultTtlMs, callbackFault };
    const job = toNewJob(request, facts);
    this.#options.sites.enter(caller, request.request?.url ?? '');
    return this.#take(job);
  }

  async #take(job: NewJob): Promise<Taken> {
    const { store } = this.#options;
    try {
      const taken = accepted(await insist(() => store.submit(job), this.#options));
      return { job: taken, existed: taken.jobId !== job.jobId };
    } catch (error) {
      const failure = asFailure(error);
      throw failure.code === 'STORE_UNAVAILABLE' ? perhapsTaken(job, failure) : failure;
    }
  }
}
