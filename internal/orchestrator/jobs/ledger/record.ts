// A job as it is shown, without what only the store needs.
import type { JobRecord } from '../job.ts';
import type { StoredJob } from './shelf.ts';

export function toRecord(job: StoredJob): JobRecord {
  return {
    tenant: job.tenant,
    jobId: job.jobId,
    state: job.state,
    sequence: job.sequence,
    about: job.about,
    labels: job.labels,
    priority: job.priority,
    idempotent: job.idempotent,
    maxAttempts: job.maxAttempts,
    attempt: job.attempt,
    attempts: job.attempts,
    exitId: job.exitId,
    owner: job.owner,
    parkedUnder: job.parkedUnder,
    createdAt: job.createdAt,
    readyAt: job.readyAt,
    expiresAt: job.expiresAt,
    endedAt: job.endedAt,
    failure: job.failure,
    result: job.result,
    callback: job.callback,
    redriveOf: job.redriveOf,
    redrivenAs: job.redrivenAs,
  };
}
