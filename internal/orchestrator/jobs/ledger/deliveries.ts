// Telling callback receivers of ended jobs: what is due, and what came of it. The job itself never waits for it.
import type { CallbackState, JobRef } from '../job.ts';
import { hasEnded } from '../job.ts';
import { jobLimits } from '../job-limits.ts';
import type { Delivery, DeliveryOutcome, Held } from '../job-store.ts';
import type { JobLife } from './life.ts';
import { toRecord } from './record.ts';
import type { Shelf, StoredJob } from './shelf.ts';

export class Deliveries {
  readonly #shelf: Shelf;
  readonly #life: JobLife;
  readonly #now: () => number;

  constructor(shelf: Shelf, life: JobLife, now: () => number) {
    this.#shelf = shelf;
    this.#life = life;
    this.#now = now;
  }

  claim(limit: number, leaseMs: number): Delivery[] {
    const now = this.#now();
    const jobs = this.#shelf.due('delivery', now, Math.min(limit, jobLimits.maxClaimed));
    return jobs.map((job) => this.#claim(job, now + leaseMs));
  }

  record({ tenant, jobId, fence }: JobRef & { readonly fence: number }, outcome: DeliveryOutcome): Held {
    const job = this.#shelf.byId(tenant, jobId);
    if (job?.callback?.state !== 'PENDING' || job.fence !== fence) return 'lost';
    const { tries, last } = job.callback;
    if (outcome.kind === 'again' || outcome.kind === 'postponed') {
      const dueAt = this.#now() + outcome.delayMs;
      if (outcome.kind === 'again') job.callback = { state: 'PENDING', tries, dueAt, last: outcome.note };
      else {
        job.callback = { state: 'PENDING', tries: tries - 1, dueAt, last };
        // Said twice, it is taken back once.
        job.fence += 1;
      }
      job.alarms.delivery = dueAt;
    } else {
      const state = outcome.kind === 'delivered' ? 'DELIVERED' : 'GAVE_UP';
      job.callback = { state, tries, dueAt: null, last: outcome.note };
      delete job.alarms.delivery;
    }
    this.#shelf.update(job);
    return 'ok';
  }

  again({ tenant, jobId }: JobRef): CallbackState | undefined {
    const job = this.#shelf.byId(tenant, jobId);
    if (!job?.callback || !hasEnded(job.state)) return undefined;
    this.#life.deliver(job, this.#now());
    this.#shelf.update(job);
    return job.callback;
  }

  #claim(job: StoredJob, dueAt: number): Delivery {
    job.fence += 1;
    if (job.callback) job.callback = { ...job.callback, tries: job.callback.tries + 1, dueAt };
    job.alarms.delivery = dueAt;
    this.#shelf.update(job);
    const { tenant, jobId, fence } = job;
    const callback = this.#shelf.bytes(job, 'callback') ?? new Uint8Array();
    return { tenant, jobId, fence, callback, job: toRecord(job) };
  }
}
