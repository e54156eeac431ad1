// A store under test with a clock that stands still, and the short words that the behaviours are written in.
import assert from 'node:assert/strict';
import type { AttemptEnd, Failure, JobRef, NewJob } from '../job.ts';
import type { JobSettings } from '../job-limits.ts';
import type { ClaimedJob, JobStore, Lease, ParkedTarget } from '../job-store.ts';

export interface StoreUnderTest {
  readonly store: JobStore;
  /** Moves the store's time. */
  readonly advance: (ms: number) => void;
}

export interface Behaviour {
  readonly name: string;
  readonly check: (subject: StoreUnderTest) => Promise<void>;
}

/** Small enough to be reached; every store under test has these. */
export const suiteSettings: JobSettings = { maxOpenPerTenant: 20, maxParkedPerTarget: 2, tenantBatch: 3 };

export const tenant = 'acme';
export const leaseMs = 10_000;
export const bytes = (text: string) => new TextEncoder().encode(text);

export function job(given: Partial<NewJob> = {}): NewJob {
  return {
    tenant,
    jobId: 'j1',
    spec: bytes('spec'),
    about: 'GET /',
    labels: {},
    priority: 5,
    idempotent: true,
    maxAttempts: 3,
    delayMs: 0,
    queueMs: 3_600_000,
    resultTtlMs: 86_400_000,
    keepMs: 172_800_000,
    key: undefined,
    callback: undefined,
    ...given,
  };
}

export function ref(jobId = 'j1', of = tenant): JobRef {
  return { tenant: of, jobId };
}

export function failure(given: Partial<Failure> = {}): Failure {
  return { code: 'CONNECT_REFUSED', detail: 'refused', execution: 'NOT_STARTED', ...given };
}

export function failed(lease: Lease, given: Partial<Failure> = {}): AttemptEnd & { failure: Failure } {
  return { attempt: lease.attempt, exitId: 'key/a/direct', failure: failure(given), durationMs: 12 };
}

export function answered(lease: Lease): AttemptEnd {
  return { attempt: lease.attempt, exitId: 'key/a/direct', failure: null, durationMs: 34 };
}

export async function claimIds(store: JobStore, limit = 10): Promise<string[]> {
  return (await store.claim({ podId: 'pod-1', limit, leaseMs })).map(({ job: { jobId } }) => jobId);
}

export async function claimOne(store: JobStore, podId = 'pod-1'): Promise<ClaimedJob> {
  const [claimed] = await store.claim({ podId, limit: 1, leaseMs });
  return claimed ?? assert.fail('nothing to claim');
}

/** Submits, claims and marks a job as sent. */
export async function sent(store: JobStore, given: Partial<NewJob> = {}): Promise<Lease> {
  await store.submit(job(given));
  const { lease } = await claimOne(store);
  assert.equal(await store.dispatched(lease, 'key/a/direct'), 'ok');
  return lease;
}

export function succeed(store: JobStore, lease: Lease, body: readonly string[] = []) {
  const bodyBytes = body.join('').length;
  const attempt = answered(lease);
  return store.finish(lease, { state: 'SUCCEEDED', attempt, meta: bytes('meta'), bodyBytes, chunks: body.length });
}

/** Page by page; each once, by name. */
export async function parkedTargets(store: JobStore, pageSize = 100): Promise<ParkedTarget[]> {
  const found = new Map<string, ParkedTarget>();
  for (let cursor = '', pages = 0; pages < 50; pages++) {
    const { targets, next } = await store.parkedTargets(pageSize, cursor);
    for (const parked of targets) found.set(parked.target, parked);
    if (next === '') return [...found.values()].sort((a, b) => (a.target < b.target ? -1 : 1));
    cursor = next;
  }
  return assert.fail('the pages do not end');
}

export async function stateOf(store: JobStore, jobId = 'j1', of = tenant): Promise<string | undefined> {
  return (await store.get(ref(jobId, of)))?.state;
}

export async function history(store: JobStore, jobId = 'j1'): Promise<string[]> {
  const events = (await store.events(ref(jobId), 0)) ?? [];
  return events.map(({ state, attempt }) => `${state} ${attempt}`);
}

/** Compares by content: bytes and records come from another thread or another library in one store and not in the next. */
export function same(actual: unknown, expected: unknown): void {
  assert.deepEqual(plain(actual), plain(expected));
}

function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex');
  if (Array.isArray(value)) return Array.from(value, plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, plain(held)]));
}
