// What is known of a job whose holder can no longer tell.
import type { Execution } from '../../failure/table.ts';
import type { AttemptEnd, Failure } from '../job.ts';
import type { StoredJob } from './shelf.ts';

const order: readonly Execution[] = ['NOT_STARTED', 'POSSIBLE', 'DONE'];

export function furthestExecution(attempts: readonly AttemptEnd[]): Execution {
  let furthest: Execution = 'NOT_STARTED';
  for (const { failure } of attempts) {
    const execution = failure?.execution ?? 'DONE';
    if (order.indexOf(execution) > order.indexOf(furthest)) furthest = execution;
  }
  return furthest;
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
