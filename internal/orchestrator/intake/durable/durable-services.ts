// What intake has for durable jobs, put together: the service, RunJob with a key, and the changes that both wait for.
import type { Logger } from '../../../kit/log.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import type { SiteRates } from '../site-rates.ts';
import { DurableJobService } from './durable-job-service.ts';
import type { Insistence } from './insist.ts';
import { JobChanges } from './job-changes.ts';
import { KeyedJobs } from './keyed-jobs.ts';
import type { SubmitFacts } from './submit-request.ts';
import { Submitter } from './submitter.ts';

export interface DurableServicesOptions
  extends Insistence,
    Pick<SubmitFacts, 'maxAttempts' | 'resultTtlMs' | 'callbackFault'> {
  readonly store: JobStore;
  readonly sites: Pick<SiteRates, 'enter'>;
  readonly newJobId: () => string;
  readonly log: Logger;
}

export interface DurableServices {
  readonly durable: DurableJobService;
  readonly keyed: KeyedJobs;
  /** Whoever starts the pod starts it, and stops it. */
  readonly changes: JobChanges;
}

export function durableServices(options: DurableServicesOptions): DurableServices {
  const changes = new JobChanges(options);
  const shared = { ...options, changes, submitter: new Submitter(options) };
  return { durable: new DurableJobService(shared), keyed: new KeyedJobs(shared), changes };
}
