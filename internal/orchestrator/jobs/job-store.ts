// What every store of durable jobs does, in the words of the domain. All of it is safe to repeat when an answer was
// lost: a submit by its job id, everything under a lease by (job, epoch, attempt).
import type {
  AttemptEnd,
  CallbackState,
  EndState,
  Failure,
  JobEvent,
  JobRecord,
  JobRef,
  JobState,
  NewJob,
} from './job.ts';

export type Submitted =
  | { readonly kind: 'created'; readonly job: JobRecord }
  /** The job id or the idempotency key is known, with the same fingerprint. */
  | { readonly kind: 'same'; readonly job: JobRecord }
  | { readonly kind: 'conflict'; readonly jobId: string }
  | { readonly kind: 'queue-full'; readonly open: number };

/** The right to run one attempt of a job. Every claim gives a higher epoch, so that an older holder is told apart. */
export interface Lease extends JobRef {
  readonly epoch: number;
  /** The number of the attempt that this lease is for. */
  readonly attempt: number;
}

export interface Claim {
  readonly podId: string;
  readonly limit: number;
  readonly leaseMs: number;
}

export interface ClaimedJob {
  readonly lease: Lease;
  readonly spec: Uint8Array;
  readonly job: JobRecord;
}

/** The end that its holder gives a job. */
export type Ending =
  | {
      readonly state: 'SUCCEEDED';
      readonly attempt: AttemptEnd;
      readonly meta: Uint8Array;
      readonly bodyBytes: number;
      readonly chunks: number;
    }
  | {
      readonly state: Exclude<EndState, 'SUCCEEDED'>;
      readonly failure: Failure;
      /** Undefined when nothing was sent. */
      readonly attempt: AttemptEnd | undefined;
    };

/** `lost`: the lease is no longer the caller's; whatever it does with the job from now on counts for nothing. */
export type Held = 'ok' | 'lost';

export interface Retry {
  readonly delayMs: number;
  readonly attempt: AttemptEnd & { readonly failure: Failure };
}

export type Cancelled =
  | { readonly kind: 'cancelled' | 'ended'; readonly job: JobRecord }
  | { readonly kind: 'not-found' };

export interface ListFilter {
  readonly states?: readonly JobState[];
  readonly label?: { readonly name: string; readonly value: string };
  /** Created at this time or later. */
  readonly from?: number;
  /** Created before this time. */
  readonly before?: number;
}

export interface Page {
  readonly jobs: readonly JobRecord[];
  /** Where the next page begins; a page may be short, or empty, and still have a next one. Empty at the end. */
  readonly next: string;
}

export interface ResultHead {
  readonly meta: Uint8Array;
  readonly bodyBytes: number;
  readonly chunks: number;
}

export type Redriven =
  | { readonly kind: 'created' | 'same'; readonly job: JobRecord }
  | { readonly kind: 'not-redrivable' | 'not-found' }
  | { readonly kind: 'queue-full'; readonly open: number };

export interface ParkedTarget {
  readonly target: string;
  readonly jobs: number;
}

export interface ParkedPage {
  readonly targets: readonly ParkedTarget[];
  /** Where the next page begins. Empty at the end. */
  readonly next: string;
}

/** What a sweep did. `more`: it stopped at its bound. */
export interface Swept {
  /** Leases that ended before the job was sent. */
  readonly requeued: number;
  /** Leases that ended after it, by what became of the job. */
  readonly retried: number;
  readonly unknown: number;
  readonly dead: number;
  readonly expired: number;
  readonly deleted: number;
  readonly more: boolean;
}

export interface DepthRow {
  readonly state: JobState;
  readonly priority: number;
  readonly jobs: number;
}

/** What a job waits for that nobody holds: a pod that claims it or, aside, an exit for its target. */
export type WaitingFor = 'claim' | 'exit';

/** The oldest of those that wait for one thing, of one priority. */
export interface OldestRow {
  readonly waitingFor: WaitingFor;
  readonly priority: number;
  /** Since it might be claimed for its next attempt. */
  readonly waitedMs: number;
}

/** One try at telling a callback receiver of a job's end; `fence` tells it from later ones. */
export interface Delivery extends JobRef {
  readonly fence: number;
  readonly callback: Uint8Array;
  readonly job: JobRecord;
}

export type DeliveryOutcome =
  | { readonly kind: 'delivered' | 'gave-up'; readonly note: string }
  | { readonly kind: 'again'; readonly note: string; readonly delayMs: number }
  /** It was not tried, and counts for nothing. */
  | { readonly kind: 'postponed'; readonly delayMs: number };

export interface JobChange extends JobRef {
  readonly state: JobState;
}

export interface JobStore {
  submit(job: NewJob): Promise<Submitted>;

  /** Leases what is due, tenants in turn, each at most its batch; within a tenant by priority, then age. */
  claim(claim: Claim): Promise<readonly ClaimedJob[]>;
  /** Resolves with the leases that are no longer the caller's: cancelled, ended or claimed by another. */
  renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]>;
  /**
   * Back to the queue, unsent, to be claimed after the delay. Also after `dispatched`, by a holder that knows that nothing
   * was sent after all: the number of the attempt is used again.
   */
  release(lease: Lease, delayMs: number): Promise<Held>;
  /** Aside, unsent, until its target has an exit or the job expires. `full`: still leased, since too many wait there. */
  park(lease: Lease, target: string): Promise<Held | 'full'>;
  /** Resolves with how many jobs of the target are to be claimed again; fewer than the limit means all. */
  unpark(target: string, limit: number): Promise<number>;
  /** Some of the targets that jobs wait for, in no order that means anything; page by page each of them once or more. */
  parkedTargets(limit: number, cursor: string): Promise<ParkedPage>;

  /** The write-ahead mark: resolves before a byte of the attempt may leave. */
  dispatched(lease: Lease, exitId: string): Promise<Held>;
  /** The agent has begun. */
  running(lease: Lease): Promise<Held>;
  /** One piece of the answer's body, in any order; it counts once the job is finished. */
  putChunk(lease: Lease, index: number, bytes: Uint8Array): Promise<Held>;
  finish(lease: Lease, ending: Ending): Promise<Held>;
  /** The attempt failed. `ended`: none is left (DEAD), or the job may have left and is not idempotent (OUTCOME_UNKNOWN). */
  retry(lease: Lease, retry: Retry): Promise<Held | 'ended'>;

  /** Ends a job in any open state. What was sent is not called back: the holder learns it by `follow` or `renew`. */
  cancel(ref: JobRef): Promise<Cancelled>;
  /** A new job of the same spec; the link between the two is kept. Only a job that ended without success. */
  redrive(ref: JobRef, newJobId: string): Promise<Redriven>;

  get(ref: JobRef): Promise<JobRecord | undefined>;
  /** Newest first. */
  list(tenant: string, filter: ListFilter, limit: number, cursor: string): Promise<Page>;
  /** Changes of status after the sequence; undefined when there is no such job. */
  events(ref: JobRef, after: number): Promise<readonly JobEvent[] | undefined>;
  /** Undefined when there is none, or no longer. */
  result(ref: JobRef): Promise<ResultHead | undefined>;
  resultChunk(ref: JobRef, index: number): Promise<Uint8Array | undefined>;

  /** Ends what is overdue: leases, waiting, results, records. Every pod calls it now and then. */
  sweep(): Promise<Swept>;
  depth(): Promise<readonly DepthRow[]>;
  /** Those that wait for a claim before those that wait for an exit, then by priority; none for what nobody waits. */
  oldest(): Promise<readonly OldestRow[]>;

  /** Deliveries that are due; each is due again after the lease unless its outcome is recorded. */
  claimDeliveries(limit: number, leaseMs: number): Promise<readonly Delivery[]>;
  recordDelivery(delivery: JobRef & { readonly fence: number }, outcome: DeliveryOutcome): Promise<Held>;
  /** Begins the deliveries of an ended job anew; undefined when it has no callback, or has not ended. */
  redeliver(ref: JobRef): Promise<CallbackState | undefined>;

  /**
   * Hears of changes soon after they are made, also by other pods: a hint that may be lost, repeated or late, never the
   * truth. The returned function ends it.
   */
  follow(listener: (change: JobChange) => void): () => void;
  close(): Promise<void>;
}

/** What the store could not do. The code is the job's failure; nothing was changed, unless it is STORE_UNAVAILABLE. */
export class StoreFault extends Error {
  override readonly name = 'StoreFault';
  readonly code: StoreFaultCode;

  constructor(code: StoreFaultCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export type StoreFaultCode = 'STORE_UNAVAILABLE' | 'STORE_FULL' | 'OVERLOADED' | 'REQUEST_TOO_LARGE';
