// Where a ledger keeps its jobs: plain storage with the few orders that the rules need, no rule of its own. Everything
// is synchronous, and one operation of the ledger is one transaction.
import type { JobEvent, JobRecord } from '../job.ts';
import type { WaitingFor } from '../job-store.ts';

/** What a job waits for that only time brings; a job has at most one of each. */
export type Alarm = 'ready' | 'expiry' | 'lease' | 'result' | 'removal' | 'delivery';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A record with what the store alone needs to know. Plain JSON; arrays and objects in it are replaced, never changed. */
export interface StoredJob extends Mutable<JobRecord> {
  /** Its place among all submits. */
  readonly order: number;
  /** How often it was claimed. */
  epoch: number;
  /** May be claimed now. */
  ready: boolean;
  alarms: Partial<Record<Alarm, number>>;
  sentAt: number;
  /** How often it was marked as sent and was not. */
  takenBack: number;
  /** The epoch whose holder ended it; 0 when somebody else did. */
  endedBy: number;
  /** Deliveries of the callback begun so far. */
  fence: number;
  readonly queueMs: number;
  readonly resultTtlMs: number;
  readonly keepMs: number;
  readonly key: string | null;
  readonly fingerprint: string;
  readonly keyUntil: number;
}

/** A tenant's place among those that have jobs to claim: the lowest is next, for as many jobs as are left to it. */
export interface Turn {
  readonly tenant: string;
  readonly at: number;
  readonly left: number;
}

export interface Shelf {
  /** The next number of a sequence, from 1. */
  next(sequence: 'job' | 'turn'): number;

  byId(tenant: string, jobId: string): StoredJob | undefined;
  /** The newest job with the key. */
  byKey(tenant: string, key: string): StoredJob | undefined;
  insert(job: StoredJob): void;
  update(job: StoredJob): void;
  /** With its events and its bytes. */
  remove(job: StoredJob): void;

  /** The ready job of the tenant that has the highest priority, then the lowest order. */
  firstReady(tenant: string): StoredJob | undefined;
  /** Whose alarm has come, earliest first. */
  due(alarm: Alarm, now: number, limit: number): readonly StoredJob[];
  /** The earliest `readyAt`, up to now, of those that wait for it. */
  waitsSince(reason: WaitingFor, priority: number, now: number): number | undefined;
  /** By age. */
  parked(target: string, limit: number): readonly StoredJob[];
  newestFirst(tenant: string, below: number): Iterable<StoredJob>;

  firstTurn(): Turn | undefined;
  hasTurn(tenant: string): boolean;
  putTurn(turn: Turn): void;
  endTurn(tenant: string): void;

  count(name: string): number;
  add(name: string, n: number): void;
  /** Counters that are not 0, by name, without the prefix; of those the ones after a name. */
  counters(prefix: string, after: string, limit: number): readonly { readonly name: string; readonly value: number }[];

  addEvent(job: StoredJob, event: JobEvent): void;
  eventsAfter(job: StoredJob, sequence: number, limit: number): readonly JobEvent[];

  putBytes(job: StoredJob, name: string, bytes: Uint8Array): void;
  bytes(job: StoredJob, name: string): Uint8Array | undefined;
  dropBytes(job: StoredJob, prefix: string): void;
}
