// What a job is when it begins.
import type { NewJob } from '../job.ts';
import type { StoredJob } from './shelf.ts';

type Given = Pick<
  StoredJob,
  'tenant' | 'jobId' | 'labels' | 'priority' | 'idempotent' | 'maxAttempts' | 'queueMs' | 'resultTtlMs' | 'keepMs'
>;

export function newJob(given: NewJob, sequence: number, now: number): StoredJob {
  return {
    ...blank(given, sequence, now),
    callback: given.callback ? notYetDue : null,
    readyAt: now + given.delayMs,
    expiresAt: now + given.queueMs,
    key: given.key?.key ?? null,
    fingerprint: given.key?.fingerprint ?? '',
    keyUntil: given.key ? now + given.key.ttlMs : 0,
  };
}

/** The same once more, ready at once; the idempotency key stays with the first. */
export function redrivenJob(job: StoredJob, jobId: string, sequence: number, now: number): StoredJob {
  const callback = job.callback ? notYetDue : null;
  return { ...blank(job, sequence, now), jobId, callback, redriveOf: job.jobId };
}

/** A callback is due only once the job has ended. */
const notYetDue = { state: 'PENDING', tries: 0, dueAt: null, last: '' } as const;

function blank(given: Given, sequence: number, now: number): StoredJob {
  const { tenant, jobId, labels, priority, idempotent, maxAttempts, queueMs, resultTtlMs, keepMs } = given;
  return {
    ...{ tenant, jobId, sequence, labels, priority, idempotent, maxAttempts, queueMs, resultTtlMs, keepMs },
    state: 'QUEUED',
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
