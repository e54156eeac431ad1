// What a ledger answers without changing anything.
import type { JobEvent, JobRecord, JobRef, JobState } from '../job.ts';
import { jobLimits } from '../job-limits.ts';
import type { DepthRow, ListFilter, OldestRow, Page, ResultHead } from '../job-store.ts';
import { toRecord } from './record.ts';
import type { Shelf, StoredJob } from './shelf.ts';
import { oldestWaiting } from './waiting.ts';

/** Six states that are open, six ends, ten priorities. */
const maxDepthRows = 120;

export class Reader {
  readonly #shelf: Shelf;
  readonly #now: () => number;

  constructor(shelf: Shelf, now: () => number) {
    this.#shelf = shelf;
    this.#now = now;
  }

  get({ tenant, jobId }: JobRef): JobRecord | undefined {
    const job = this.#shelf.byId(tenant, jobId);
    return job && toRecord(job);
  }

  list(tenant: string, filter: ListFilter, limit: number, cursor: string): Page {
    const wanted = Math.min(limit, jobLimits.maxListed);
    const jobs: JobRecord[] = [];
    let scanned = 0;
    for (const job of this.#shelf.newestFirst(tenant, cursor === '' ? Number.MAX_SAFE_INTEGER : Number(cursor))) {
      if (filter.from !== undefined && job.createdAt < filter.from) break;
      scanned += 1;
      if (matches(job, filter)) jobs.push(toRecord(job));
      if (jobs.length >= wanted || scanned >= jobLimits.maxScanned) return { jobs, next: String(job.order) };
    }
    return { jobs, next: '' };
  }

  events({ tenant, jobId }: JobRef, after: number): readonly JobEvent[] | undefined {
    const job = this.#shelf.byId(tenant, jobId);
    return job && this.#shelf.eventsAfter(job, after, jobLimits.maxEventsListed);
  }

  result(ref: JobRef): ResultHead | undefined {
    const job = this.#withResult(ref);
    const meta = job && this.#shelf.bytes(job, 'meta');
    if (!meta || !job.result) return undefined;
    const { bodyBytes, chunks } = job.result;
    return { meta, bodyBytes, chunks };
  }

  resultChunk(ref: JobRef, index: number): Uint8Array | undefined {
    const job = this.#withResult(ref);
    return job && this.#shelf.bytes(job, `body/${job.epoch}/${index}`);
  }

  depth(): DepthRow[] {
    return this.#shelf.counters('state/', '', maxDepthRows).map(({ name, value }) => {
      const [state, priority] = name.split('/');
      return { state: state as JobState, priority: Number(priority), jobs: value };
    });
  }

  oldest(): OldestRow[] {
    return oldestWaiting(this.#shelf, this.#now());
  }

  #withResult({ tenant, jobId }: JobRef): StoredJob | undefined {
    const job = this.#shelf.byId(tenant, jobId);
    return job?.result && job.result.availableUntil > this.#now() ? job : undefined;
  }
}

function matches(job: StoredJob, { states, label, before }: ListFilter): boolean {
  if (states && !states.includes(job.state)) return false;
  if (before !== undefined && job.createdAt >= before) return false;
  return label === undefined || (Object.hasOwn(job.labels, label.name) && job.labels[label.name] === label.value);
}
