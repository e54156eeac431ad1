// The two errors of the job path. An AttemptFailure is one exit's; a JobFailure is what the caller gets, with every
// attempt behind it. Foreign errors become one of these where they arise, so that no door ever guesses.
import { type Code, type Execution, type FailureRow, failureTable, type Origin } from './table.ts';

/** Which rule of the exit's operator refused (EXIT_REFUSED). */
export type Refusal = 'DESTINATION' | 'PORT' | 'QUOTA' | 'SCHEDULE' | 'PAUSED' | 'CONSENT';

export interface AttemptFailureDetails {
  readonly refusal?: Refusal | undefined;
  /** What the caller is told instead of the code's title. */
  readonly detail?: string | undefined;
  /** The origin asks to come back no sooner. */
  readonly retryAfterMs?: number | undefined;
  /** The exit that failed, when its pod put it in place of the one that was asked. */
  readonly exitId?: string | undefined;
  readonly cause?: unknown;
}

export class AttemptFailure extends Error {
  override readonly name = 'AttemptFailure';
  readonly code: Code;
  readonly execution: Execution;
  readonly refusal: Refusal | undefined;
  readonly detail: string | undefined;
  readonly retryAfterMs: number | undefined;
  readonly exitId: string | undefined;

  constructor(code: Code, execution: Execution, details: AttemptFailureDetails = {}) {
    super(code, { cause: details.cause });
    this.code = code;
    this.execution = execution;
    this.refusal = details.refusal;
    this.detail = details.detail;
    this.retryAfterMs = details.retryAfterMs;
    this.exitId = details.exitId;
  }
}

/** One try of a job on one exit, as the caller sees it. */
export interface AttemptRecord {
  readonly exitId: string;
  /** Undefined for the attempt that answered. */
  readonly code: Code | undefined;
  readonly execution: Execution;
  readonly durationMs: number;
}

export type TokenError = 'invalid_token' | 'insufficient_scope';

export interface JobFailureDetails {
  /** What the caller can do about it, in a sentence; the code's title when left out. */
  readonly detail?: string | undefined;
  /** What the attempts tell, which is more than the code alone does: a redirect can fail to connect after a first hop. */
  readonly execution?: Execution | undefined;
  readonly attempts?: readonly AttemptRecord[] | undefined;
  readonly jobId?: string | undefined;
  /** The request's field that is at fault, by its path in the API (`request.url`). */
  readonly field?: string | undefined;
  readonly refusal?: Refusal | undefined;
  readonly retryAfterMs?: number | undefined;
  /** The same request is answered so whenever it comes. */
  readonly isFinal?: boolean;
  /** What is wrong with the token that the caller sent, by RFC 6750. */
  readonly tokenError?: TokenError | undefined;
  readonly cause?: unknown;
}

export class JobFailure extends Error {
  override readonly name = 'JobFailure';
  readonly code: Code;
  readonly row: FailureRow;
  readonly execution: Execution;
  readonly attempts: readonly AttemptRecord[];
  readonly jobId: string | undefined;
  readonly field: string | undefined;
  readonly refusal: Refusal | undefined;
  readonly tokenError: TokenError | undefined;
  /** Undefined: sending the same job again is not sensible. */
  readonly retryAfterMs: number | undefined;

  constructor(code: Code, details: JobFailureDetails = {}) {
    const row = failureTable[code];
    super(details.detail ?? row.title, { cause: details.cause });
    this.code = code;
    this.row = row;
    this.execution = details.execution ?? (row.execution === 'as-known' ? 'NOT_STARTED' : row.execution);
    this.attempts = details.attempts ?? [];
    this.jobId = details.jobId;
    this.field = details.field;
    this.refusal = details.refusal;
    this.tokenError = details.tokenError;
    this.retryAfterMs = details.isFinal ? undefined : (details.retryAfterMs ?? row.retryAfterMs);
  }

  get origin(): Origin {
    return this.row.origin;
  }

  get retryable(): boolean {
    return this.retryAfterMs !== undefined;
  }
}

/** A request that the caller must mend: which field, and what is wrong with it. */
export function invalidRequest(field: string, detail: string): JobFailure {
  return new JobFailure('INVALID_REQUEST', { field, detail: `${field}: ${detail}` });
}
