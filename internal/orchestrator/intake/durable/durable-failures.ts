// What a caller of durable jobs can be told is wrong, in one place for every call.
import { JobFailure } from '../../failure/failures.ts';
import { hasEnded, type JobRecord, type NewJob } from '../../jobs/job.ts';
import type { Redriven, Submitted } from '../../jobs/job-store.ts';

/** Also of another tenant's job: nobody learns that it exists. */
export function notFound(): JobFailure {
  return new JobFailure('JOB_NOT_FOUND', { field: 'job_id' });
}

export function withoutResult({ jobId, state }: JobRecord): JobFailure {
  const detail = hasEnded(state)
    ? `The job ended without a result: ${state}.`
    : `The job is not over yet: ${state}. Watch it, or ask again later.`;
  return new JobFailure('JOB_STATE_CONFLICT', { field: 'job_id', detail, jobId });
}

export function resultGone(jobId: string): JobFailure {
  const detail = 'The result was kept for its time and is gone.';
  return new JobFailure('JOB_NOT_FOUND', { field: 'job_id', detail, jobId });
}

/** The job that was taken, or was there already. */
export function accepted(submitted: Submitted): JobRecord {
  if (submitted.kind === 'queue-full') throw queueFull(submitted.open);
  if (submitted.kind === 'conflict') throw new JobFailure('IDEMPOTENCY_KEY_CONFLICT', { field: 'idempotency_key' });
  return submitted.job;
}

export function notRedeliverable({ jobId, state, callback }: JobRecord): JobFailure {
  const detail = callback ? `The job is not over yet: ${state}.` : 'The job has no callback.';
  return new JobFailure('JOB_STATE_CONFLICT', { field: 'job_id', detail, jobId });
}

/** The new job. */
export function redriven(outcome: Redriven): JobRecord {
  switch (outcome.kind) {
    case 'not-found':
      throw notFound();
    case 'queue-full':
      throw queueFull(outcome.open);
    case 'not-redrivable':
      throw new JobFailure('JOB_STATE_CONFLICT', {
        field: 'job_id',
        detail: 'Only a job that ended without success can be submitted again.',
      });
    default:
      return outcome.job;
  }
}

/** The store gave no answer to a submit: programs repeat UNAVAILABLE, which must not happen to a job that is there. */
export function perhapsTaken({ jobId, idempotent, key }: NewJob, cause: JobFailure): JobFailure {
  const code = idempotent || key ? 'STORE_UNAVAILABLE' : 'OUTCOME_UNKNOWN';
  const detail = 'The job store gave no answer, and may have taken the job: look for it by its id.';
  return new JobFailure(code, { execution: 'POSSIBLE', detail, jobId, cause });
}

function queueFull(open: number): JobFailure {
  return new JobFailure('TENANT_QUEUE_FULL', { detail: `The tenant has ${open} jobs that are not over, its limit.` });
}
