// What the end of an attempt means for its job: again, elsewhere, never. The promise behind every line: a job that is
// not idempotent and may have left is never sent again.
import { blamesExit, executionOf, mayRepeat, toAttemptFailure } from '../dispatch/outcome.ts';
import type { AttemptFailure } from '../failure/failures.ts';
import { type Code, type Execution, failureTable } from '../failure/table.ts';
import type { Failure } from '../jobs/job.ts';

/** What became of an attempt, for metrics; `lost`: nobody was told. */
export interface Ended {
  readonly outcome:
    | 'succeeded'
    | 'parked'
    | 'released'
    | 'retried'
    | 'dead'
    | 'unknown'
    | 'failed'
    | 'lost'
    | 'broken-off';
  readonly code: Code | 'OK';
}

export interface AttemptOutcome {
  readonly failure: AttemptFailure;
  /** As the store keeps it. */
  readonly known: Failure;
  /** `release`: no exit took it, and it counts for nothing. */
  readonly next: 'release' | 'retry' | 'unknown' | 'fail';
  readonly retryAfterMs: number;
  readonly blamesExit: boolean;
}

/** Nothing was sent, and another moment or another exit may do. */
const notTaken: ReadonlySet<Code> = new Set<Code>(['EXIT_BUSY', 'AGENT_DISCONNECTED', 'DRAINING']);

/** Ended from here. Each attempt has a time of its own, and the next one may be faster; DRAINING is this pod going away. */
const cutOff: ReadonlySet<Code> = new Set<Code>(['DEADLINE_EXCEEDED', 'CANCELLED', 'DRAINING']);

export function outcomeOf(error: unknown, reached: Execution, idempotent: boolean): AttemptOutcome {
  const failure = toAttemptFailure(error, reached);
  const execution = executionOf(failure);
  const detail = failure.detail ?? failureTable[failure.code].title;
  return {
    failure,
    known: { code: failure.code, execution, detail },
    next: nextStep(failure, execution, idempotent),
    retryAfterMs: failure.retryAfterMs ?? 0,
    blamesExit: blamesExit(failure.code),
  };
}

function nextStep(failure: AttemptFailure, execution: Execution, idempotent: boolean): AttemptOutcome['next'] {
  if (execution === 'NOT_STARTED' && notTaken.has(failure.code)) return 'release';
  if (mayRepeat(failure, idempotent)) return 'retry';
  const mayBeSentAgain = idempotent || execution === 'NOT_STARTED';
  if (cutOff.has(failure.code) && mayBeSentAgain) return 'retry';
  return mayBeSentAgain || failureTable[failure.code].execution === 'DONE' ? 'fail' : 'unknown';
}
