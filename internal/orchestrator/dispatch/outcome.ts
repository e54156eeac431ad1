// What a failed attempt means: for the job, whether another attempt may follow; for its exit, whether it is to blame;
// and for the caller, what is true of the job as a whole.
import { AttemptFailure, type AttemptRecord, JobFailure } from '../failure/failures.ts';
import { type Code, type Execution, failureTable } from '../failure/table.ts';
import type { Job } from './job.ts';

/** Foreign errors are faults of ours; `execution` is what was known when they arose. */
export function toAttemptFailure(error: unknown, execution: Execution): AttemptFailure {
  return error instanceof AttemptFailure ? error : new AttemptFailure('INTERNAL', execution, { cause: error });
}

/** What is known after the failure: some codes exist only once the origin has answered. */
export function executionOf({ code, execution }: AttemptFailure): Execution {
  return failureTable[code].execution === 'DONE' ? 'DONE' : execution;
}

/** Whether the job may be sent again after the failure: never twice on the wire unless it is idempotent. */
export function mayRepeat(failure: AttemptFailure, idempotent: boolean): boolean {
  const rule = failureTable[failure.code].retriedInside;
  if (rule === 'no') return false;
  if (executionOf(failure) === 'NOT_STARTED') return true;
  return idempotent && rule !== 'not-started';
}

/** Its operator's policy and its load are no fault of an exit. */
export function blamesExit(code: Code): boolean {
  return failureTable[code].origin === 'EXIT' && code !== 'EXIT_REFUSED' && code !== 'EXIT_BUSY';
}

/** What the caller gets when `failure` is the last word on the job. */
export function jobFailure(job: Job, failure: AttemptFailure, attempts: readonly AttemptRecord[]): JobFailure {
  const { code, cause, refusal, detail } = failure;
  const execution = furthest(attempts);
  const known = { execution, attempts, jobId: job.id, refusal, cause };
  if (outcomeIsKnown(job, code, execution)) return new JobFailure(code, { ...known, detail });
  const unknown = `${failureTable.OUTCOME_UNKNOWN.title} ${failureTable[code].title}`;
  return new JobFailure('OUTCOME_UNKNOWN', { ...known, detail: unknown });
}

/**
 * A caller must not be led to repeat what may have been done: a job that is not idempotent and may have left keeps its
 * code only when that code says that the origin answered, or when the caller itself set the end.
 */
function outcomeIsKnown(job: Job, code: Code, execution: Execution): boolean {
  if (job.idempotent || execution === 'NOT_STARTED') return true;
  return code === 'DEADLINE_EXCEEDED' || code === 'CANCELLED' || failureTable[code].execution === 'DONE';
}

function furthest(attempts: readonly AttemptRecord[]): Execution {
  let reached: Execution = 'NOT_STARTED';
  for (const { execution } of attempts) {
    if (execution === 'DONE') return 'DONE';
    if (execution === 'POSSIBLE') reached = 'POSSIBLE';
  }
  return reached;
}
