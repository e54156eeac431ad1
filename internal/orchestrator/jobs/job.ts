// A durable job as the store knows it: what was asked, where it stands, and how it came there. What is to be sent stays
// bytes that only its claimer reads. Times are Unix milliseconds by the store's own clock; callers give durations only.
import type { Code, Execution } from '../failure/table.ts';

/** Not yet ended. LEASED is shown to nobody as an event: a lease that ends before the job was sent leaves no trace. */
export type OpenState = 'QUEUED' | 'LEASED' | 'DISPATCHED' | 'RUNNING' | 'RETRY_WAIT';
/** Final: a job enters exactly one of these, once. DEAD has used up its attempts. */
export type EndState = 'SUCCEEDED' | 'FAILED' | 'CANCELLED' | 'EXPIRED' | 'DEAD' | 'OUTCOME_UNKNOWN';
export type JobState = OpenState | EndState;

export interface JobRef {
  readonly tenant: string;
  readonly jobId: string;
}

export interface IdempotencyKey {
  readonly key: string;
  /** Digest of everything that makes two requests the same. */
  readonly fingerprint: string;
  /** The key is forgotten after this time. */
  readonly ttlMs: number;
}

/** What a submit brings. The id is made by the pod, so that a submit whose answer was lost can be sent again. */
export interface NewJob extends JobRef {
  readonly spec: Uint8Array;
  /** What lists and records show of the request: opaque text. */
  readonly about: string;
  readonly labels: Readonly<Record<string, string>>;
  /** 0 to 9; 9 goes first. Within a priority the older job goes first. */
  readonly priority: number;
  /** Whether the origin may see the request twice. */
  readonly idempotent: boolean;
  readonly maxAttempts: number;
  /** Not before this has passed. */
  readonly delayMs: number;
  /** EXPIRED when it was not sent by then, whatever it waited for. */
  readonly queueMs: number;
  /** How long the answer is kept once the job has ended. */
  readonly resultTtlMs: number;
  /** How long the record and its events are kept then; at least as long as the key is remembered. */
  readonly keepMs: number;
  readonly key: IdempotencyKey | undefined;
  /** Where to tell of the end: opaque; undefined for nowhere. */
  readonly callback: Uint8Array | undefined;
}

export interface Failure {
  readonly code: Code;
  readonly detail: string;
  readonly execution: Execution;
}

/** An attempt that is over; `failure` is null for the one that answered. */
export interface AttemptEnd {
  readonly attempt: number;
  readonly exitId: string;
  readonly failure: Failure | null;
  readonly durationMs: number;
}

export interface StoredResult {
  readonly bodyBytes: number;
  readonly chunks: number;
  readonly availableUntil: number;
}

export interface CallbackState {
  readonly state: 'PENDING' | 'DELIVERED' | 'GAVE_UP';
  /** Deliveries begun since the job ended or was last redelivered. */
  readonly tries: number;
  /** When the next one is due; null unless it is PENDING. */
  readonly dueAt: number | null;
  /** What came of the last one, in a few words; empty before the first. */
  readonly last: string;
}

/** What `get` and `list` show. An absent thing is null or empty, so that a record is the same after JSON. */
export interface JobRecord extends JobRef {
  readonly state: JobState;
  /** Of the newest event: who has read the record follows from here. */
  readonly sequence: number;
  readonly about: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly priority: number;
  readonly idempotent: boolean;
  readonly maxAttempts: number;
  /** The newest attempt that was marked as sent; 0 before the first. */
  readonly attempt: number;
  readonly attempts: readonly AttemptEnd[];
  /** Where the newest attempt was sent. */
  readonly exitId: string;
  /** The pod that holds the job, or held it last. */
  readonly owner: string;
  /** The target that it waits for; empty unless it is parked. */
  readonly parkedUnder: string;
  readonly createdAt: number;
  /** When it may be claimed; in the past once it may. */
  readonly readyAt: number;
  readonly expiresAt: number;
  readonly endedAt: number | null;
  /** Why it waits for another attempt, or ended. */
  readonly failure: Failure | null;
  readonly result: StoredResult | null;
  readonly callback: CallbackState | null;
  readonly redriveOf: string;
  readonly redrivenAs: string;
}

/** One change of status. The sequence counts from 1 within the job, without a gap. */
export interface JobEvent {
  readonly sequence: number;
  readonly at: number;
  readonly state: JobState;
  readonly attempt: number;
  readonly exitId: string;
  readonly failure: Failure | null;
}

const ended: ReadonlySet<JobState> = new Set<EndState>([
  'SUCCEEDED',
  'FAILED',
  'CANCELLED',
  'EXPIRED',
  'DEAD',
  'OUTCOME_UNKNOWN',
]);

export function hasEnded(state: JobState): state is EndState {
  return ended.has(state);
}
