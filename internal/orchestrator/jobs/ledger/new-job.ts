// What a job is when it begins.
import type { NewJob } from '../job.ts';
import type { StoredJob } from './shelf.ts';

type Given = Pick<
  StoredJob,
  | 'tenant'
  | 'jobId'
  | 'about'
  | 'labels'
  | 'priority'
  | 'idempotent'
  | 'maxAttempts'
  | 'queueMs'
  | 'resultTtlMs'
  | 'keepMs'
>;

export function newJob(given: NewJob, order: number, now: number): StoredJob {
  return {
    ...blank(given, order, now),
    callback: given.callback ? notYetDue : null,
    readyAt: now + given.delayMs,
    expiresAt: now + given.queueMs,
    key: given.key?.key ?? null,
    fingerprint: given.key?.fingerprint ?? '',
    keyUntil: given.key ? now + given.key.ttlMs : 0,
  };
}

/** The same once more, ready at once; the idempotency key stays with the first. */
export function redrivenJob(job: StoredJob, jobId: string, order: number, now: number): StoredJob {
  const callback = job.callback ? notYetDue : null;
  return { ...blank(job, order, now), jobId, callback, redriveOf: job.jobId };
}

/** What a store fills in by itself from another job of the tenant. */
export function blankJob(tenant: string, jobId: string): StoredJob {
  const nothing = { about: '', labels: {}, priority: 0, idempotent: false, maxAttempts: 1 };
  return blank({ tenant, jobId, ...nothing, queueMs: 0, resultTtlMs: 0, keepMs: 0 }, 0, 0);
}

/** A callback is due only once the job has ended. */
const notYetDue = { state: 'PENDING', tries: 0, dueAt: null, last: '' } as const;

function blank(given: Given, order: number, now: number): StoredJob {
  const { tenant, jobId, about, labels, priority, idempotent, maxAttempts, queueMs, resultTtlMs, keepMs } = given;
  return {
    ...{ tenant, jobId, order, about, labels, priority, idempotent, maxAttempts, queueMs, resultTtlMs, keepMs },
    state: 'QUEUED',
    sequence: 0,
    ready: false,
    epoch: 0,
    attempt: 0,
    attempts: [],
    exitId: '',
    owner: '',
    parkedUnder: '',
    createdAt: now,
    readyAt: now,
    expiresAt: now + queueMs,
    sentAt: 0,
    endedAt: null,
    takenBack: 0,
    endedBy: 0,
    failure: null,
    result: null,
    callback: null,
    fence: 0,
    redriveOf: '',
    redrivenAs: '',
    alarms: {},
    key: null,
    fingerprint: '',
    keyUntil: 0,
  };
}
