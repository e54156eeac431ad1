// The shelf in tables: one prepared statement for each thing that a ledger asks.
import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import type { JobEvent } from '../job.ts';
import type { WaitingFor } from '../job-store.ts';
import type { Alarm, Shelf, StoredJob, Turn } from '../ledger/shelf.ts';
import { waitingFor } from '../ledger/waiting.ts';

type Row = Record<string, SQLOutputValue>;

const columns = `priority, ready, parked_under, alarm_ready, alarm_expiry, alarm_lease, alarm_result, alarm_removal,
  alarm_delivery, waiting_for, ready_at, record`;
const assignments = columns
  .split(',')
  .map((column) => `${column.trim()} = ?`)
  .join(', ');
/** Beyond it a search by age is done in pages. */
const pageSize = 100;

export const searches = {
  byId: 'SELECT record FROM jobs WHERE tenant = ? AND job_id = ?',
  byKey: 'SELECT record FROM jobs WHERE tenant = ? AND idempotency_key = ? ORDER BY sequence DESC LIMIT 1',
  firstReady: 'SELECT record FROM jobs WHERE tenant = ? AND ready = 1 ORDER BY priority DESC, sequence LIMIT 1',
  waitsSince: `SELECT ready_at FROM jobs WHERE waiting_for = ? AND priority = ? AND ready_at <= ?
    ORDER BY ready_at LIMIT 1`,
  parked: `SELECT record FROM jobs WHERE parked_under = ? AND parked_under <> '' ORDER BY sequence LIMIT ?`,
  newestFirst: 'SELECT record FROM jobs WHERE tenant = ? AND sequence < ? ORDER BY sequence DESC LIMIT ?',
  firstTurn: 'SELECT tenant, at, remaining FROM turns ORDER BY at LIMIT 1',
  counters: 'SELECT name, value FROM counters WHERE name > ? AND name < ? ORDER BY name LIMIT ?',
  events: 'SELECT event FROM events WHERE job = ? AND sequence > ? ORDER BY sequence LIMIT ?',
  dueReady: due('ready'),
  dueExpiry: due('expiry'),
  dueLease: due('lease'),
  dueResult: due('result'),
  dueRemoval: due('removal'),
  dueDelivery: due('delivery'),
} as const;

function due(alarm: Alarm): string {
  return `SELECT record FROM jobs WHERE alarm_${alarm} <= ? ORDER BY alarm_${alarm}, sequence LIMIT ?`;
}

const others = {
  insert: `INSERT INTO jobs (sequence, tenant, job_id, idempotency_key, ${columns})
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  update: `UPDATE jobs SET ${assignments} WHERE sequence = ?`,
  remove: 'DELETE FROM jobs WHERE sequence = ?',
  removeEvents: 'DELETE FROM events WHERE job = ?',
  removeBytes: 'DELETE FROM bytes WHERE job = ?',
  hasTurn: 'SELECT 1 FROM turns WHERE tenant = ?',
  putTurn: 'INSERT OR REPLACE INTO turns (tenant, at, remaining) VALUES (?, ?, ?)',
  endTurn: 'DELETE FROM turns WHERE tenant = ?',
  count: 'SELECT value FROM counters WHERE name = ?',
  add: `INSERT INTO counters (name, value) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = value + excluded.value RETURNING value`,
  dropCounter: 'DELETE FROM counters WHERE name = ?',
  addEvent: 'INSERT INTO events (job, sequence, event) VALUES (?, ?, ?)',
  putBytes: 'INSERT OR REPLACE INTO bytes (job, name, data) VALUES (?, ?, ?)',
  bytes: 'SELECT data FROM bytes WHERE job = ? AND name = ?',
  dropBytes: 'DELETE FROM bytes WHERE job = ? AND name >= ? AND name < ?',
} as const;

const dueSearches: Readonly<Record<Alarm, keyof typeof searches>> = {
  ready: 'dueReady',
  expiry: 'dueExpiry',
  lease: 'dueLease',
  result: 'dueResult',
  removal: 'dueRemoval',
  delivery: 'dueDelivery',
};

const statements = { ...searches, ...others };
type Statements = Readonly<Record<keyof typeof statements, StatementSync>>;

export class SqliteShelf implements Shelf {
  readonly #sql: Statements;

  constructor(db: DatabaseSync) {
    const prepared = Object.entries(statements).map(([name, text]) => [name, db.prepare(text)]);
    this.#sql = Object.fromEntries(prepared) as Statements;
  }

  next(sequence: 'job' | 'turn'): number {
    return Number(this.#sql.add.get(`sequence/${sequence}`, 1)?.value);
  }

  byId(tenant: string, jobId: string): StoredJob | undefined {
    return one(this.#sql.byId.get(tenant, jobId));
  }

  byKey(tenant: string, key: string): StoredJob | undefined {
    return one(this.#sql.byKey.get(tenant, key));
  }

  insert(job: StoredJob): void {
    this.#sql.insert.run(job.order, job.tenant, job.jobId, job.key, ...changing(job));
  }

  update(job: StoredJob): void {
    this.#sql.update.run(...changing(job), job.order);
  }

  remove({ order }: StoredJob): void {
    this.#sql.removeEvents.run(order);
    this.#sql.removeBytes.run(order);
    this.#sql.remove.run(order);
  }

  firstReady(tenant: string): StoredJob | undefined {
    return one(this.#sql.firstReady.get(tenant));
  }

  due(alarm: Alarm, now: number, limit: number): StoredJob[] {
    return this.#sql[dueSearches[alarm]].all(now, limit).map(toJob);
  }

  waitsSince(reason: WaitingFor, priority: number, now: number): number | undefined {
    const row = this.#sql.waitsSince.get(reason, priority, now);
    return row && Number(row.ready_at);
  }

  parked(target: string, limit: number): StoredJob[] {
    return this.#sql.parked.all(target, limit).map(toJob);
  }

  *newestFirst(tenant: string, below: number): Generator<StoredJob, void, undefined> {
    for (let next = below; ; ) {
      const rows = this.#sql.newestFirst.all(tenant, next, pageSize);
      for (const row of rows) {
        const job = toJob(row);
        next = job.order;
        yield job;
      }
      if (rows.length < pageSize) return;
    }
  }

  firstTurn(): Turn | undefined {
    const row = this.#sql.firstTurn.get();
    return row && { tenant: String(row.tenant), at: Number(row.at), left: Number(row.remaining) };
  }

  hasTurn(tenant: string): boolean {
    return this.#sql.hasTurn.get(tenant) !== undefined;
  }

  putTurn({ tenant, at, left }: Turn): void {
    this.#sql.putTurn.run(tenant, at, left);
  }

  endTurn(tenant: string): void {
    this.#sql.endTurn.run(tenant);
  }

  count(name: string): number {
    return Number(this.#sql.count.get(name)?.value ?? 0);
  }

  add(name: string, n: number): void {
    if (this.#sql.add.get(name, n)?.value === 0) this.#sql.dropCounter.run(name);
  }

  counters(prefix: string, above: string, limit: number): { name: string; value: number }[] {
    const rows = this.#sql.counters.all(prefix + above, after(prefix), limit);
    return rows.map(({ name, value }) => ({ name: String(name).slice(prefix.length), value: Number(value) }));
  }

  addEvent({ order }: StoredJob, event: JobEvent): void {
    this.#sql.addEvent.run(order, event.sequence, JSON.stringify(event));
  }

  eventsAfter(job: StoredJob, sequence: number, limit: number): JobEvent[] {
    const rows = this.#sql.events.all(job.order, sequence, limit);
    return rows.map((row) => JSON.parse(String(row.event)));
  }

  putBytes({ order }: StoredJob, name: string, bytes: Uint8Array): void {
    this.#sql.putBytes.run(order, name, bytes);
  }

  bytes({ order }: StoredJob, name: string): Uint8Array | undefined {
    return this.#sql.bytes.get(order, name)?.data as Uint8Array | undefined;
  }

  dropBytes({ order }: StoredJob, prefix: string): void {
    this.#sql.dropBytes.run(order, prefix, after(prefix));
  }
}

/** The values of `columns`. */
function changing(job: StoredJob) {
  const { ready, expiry, lease, result, removal, delivery } = job.alarms;
  const alarms = [ready ?? null, expiry ?? null, lease ?? null, result ?? null, removal ?? null, delivery ?? null];
  const reason = waitingFor(job);
  const waiting = reason ? [reason, job.readyAt] : [null, null];
  return [job.priority, Number(job.ready), job.parkedUnder, ...alarms, ...waiting, JSON.stringify(job)];
}

function one(row: Row | undefined): StoredJob | undefined {
  return row && toJob(row);
}

function toJob(row: Row): StoredJob {
  return JSON.parse(String(row.record));
}

/** The least text above everything that begins with the prefix. */
function after(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}
