// Ends what is overdue, a bounded number of each kind at a time.
import type { Failure } from '../job.ts';
import { jobLimits } from '../job-limits.ts';
import type { Swept } from '../job-store.ts';
import type { JobLife } from './life.ts';
import { abandoned } from './outcome.ts';
import type { Alarm, Shelf, StoredJob } from './shelf.ts';

type Again = (job: StoredJob, failure: Failure, now: number) => boolean;
type Counts = { -readonly [K in keyof Swept]: Swept[K] };

export function sweep(shelf: Shelf, life: JobLife, now: number, again: Again): Swept {
  const swept: Counts = { requeued: 0, retried: 0, unknown: 0, dead: 0, expired: 0, deleted: 0, more: false };
  const each = (alarm: Alarm, handle: (job: StoredJob) => void) => {
    const jobs = shelf.due(alarm, now, jobLimits.maxSwept);
    if (jobs.length === jobLimits.maxSwept) swept.more = true;
    for (const job of jobs) handle(job);
  };
  each('lease', (job) => {
    swept[reap(life, job, now, again)] += 1;
  });
  each('expiry', (job) => {
    life.expire(job, now);
    swept.expired += 1;
  });
  each('ready', (job) => life.promote(job));
  each('result', (job) => life.dropResult(job));
  each('removal', (job) => {
    life.remove(job);
    swept.deleted += 1;
  });
  return swept;
}

/** The pod that held the job is gone, or cannot reach the store. */
function reap(life: JobLife, job: StoredJob, now: number, again: Again): 'requeued' | 'retried' | 'unknown' | 'dead' {
  if (job.state === 'LEASED') {
    life.wait(job, 'QUEUED', now, now);
    return 'requeued';
  }
  const end = abandoned(job, now, 'INTERNAL', 'The pod that ran the job was lost.');
  life.attemptEnded(job, end);
  if (again(job, end.failure, now)) return 'retried';
  return job.idempotent ? 'dead' : 'unknown';
}
