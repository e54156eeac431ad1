// What is known of a job whose holder can no longer tell.
import type { Execution } from '../../failure/table.ts';
import type { AttemptEnd, Failure } from '../job.ts';
import type { StoredJob } from './shelf.ts';

const order: readonly Execution[] = ['NOT_STARTED', 'POSSIBLE', 'DONE'];

/** The failure of a job: an attempt before the last may have got further than that one did. */
export function ofAllAttempts(last: Failure, attempts: readonly AttemptEnd[]): Failure {
  let furthest = last.execution;
  for (const { failure } of attempts) {
    const execution = failure?.execution ?? 'DONE';
    if (order.indexOf(execution) > order.indexOf(furthest)) furthest = execution;
  }
  return { ...last, execution: furthest };
}

export type FailedAttempt = AttemptEnd & { readonly failure: Failure };

/** The attempt under way, given up: it was marked as sent, so it may have been. */
export function abandoned(job: StoredJob, now: number, code: Failure['code'], detail: string): FailedAttempt {
  return {
    attempt: job.attempt,
    exitId: job.exitId,
    failure: { code, detail, execution: 'POSSIBLE' },
    durationMs: Math.max(0, now - job.sentAt),
  };
}
