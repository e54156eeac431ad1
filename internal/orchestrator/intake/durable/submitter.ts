// Takes durable jobs into the store. The id is made here, so that a submit whose answer was lost is said again and
// gives one job.
import type { SubmitJobRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { JobFailure } from '../../failure/failures.ts';
import type { JobRecord, NewJob } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { asFailure } from '../as-failure.ts';
import type { CallContext } from '../call.ts';
import { accepted, perhapsTaken } from './durable-failures.ts';
import { type Insistence, insist } from './insist.ts';
import { type SubmitFacts, toNewJob } from './submit-request.ts';

export interface SubmitterOptions
  extends Insistence,
    Pick<SubmitFacts, 'maxAttempts' | 'resultTtlMs' | 'callbackFault'> {
  readonly store: JobStore;
  readonly newJobId: () => string;
}

export interface Taken {
  readonly job: JobRecord;
  /** It was there already, by its idempotency key. */
  readonly existed: boolean;
}

/** What came of one job of a batch. */
export type Outcome =
  | { readonly kind: 'taken'; readonly taken: Taken }
  | { readonly kind: 'refused'; readonly failure: JobFailure };

export class Submitter {
  readonly #options: SubmitterOptions;

  constructor(options: SubmitterOptions) {
    this.#options = options;
  }

  /** Rejects with a JobFailure. */
  async submit(request: SubmitJobRequest, { caller, traceparent }: CallContext): Promise<Taken> {
    const { newJobId, maxAttempts, resultTtlMs, callbackFault } = this.#options;
    const facts = { jobId: newJobId(), caller, traceparent, maxAttempts, resultTtlMs, callbackFault };
    return this.#take(toNewJob(request, facts));
  }

  /** Each job by itself, in order, which is the order of their age too. A request is read when its turn comes, and may throw. */
  submitAll(requests: readonly (() => SubmitJobRequest)[], context: CallContext): Promise<readonly Outcome[]> {
    return Promise.all(
      requests.map(async (read): Promise<Outcome> => {
        try {
          return { kind: 'taken', taken: await this.submit(read(), context) };
        } catch (error) {
          return { kind: 'refused', failure: asFailure(error) };
        }
      }),
    );
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
