// The shelf that needs no proof: one map of jobs, and every order found by looking at all of them. Slow by intention.
import type { JobEvent } from './job.ts';
import type { WaitingFor } from './job-store.ts';
import type { Alarm, Shelf, StoredJob, Turn } from './ledger/shelf.ts';
import { waitingFor } from './ledger/waiting.ts';

interface Kept {
  readonly job: StoredJob;
  readonly events: JobEvent[];
  readonly bytes: Map<string, Uint8Array>;
}

export class MemoryShelf implements Shelf {
  readonly #kept = new Map<number, Kept>();
  readonly #turns = new Map<string, Turn>();
  readonly #counters = new Map<string, number>();
  readonly #sequences = { job: 0, turn: 0 };

  next(sequence: 'job' | 'turn'): number {
    this.#sequences[sequence] += 1;
    return this.#sequences[sequence];
  }

  byId(tenant: string, jobId: string): StoredJob | undefined {
    return this.#all((job) => job.tenant === tenant && job.jobId === jobId)[0];
  }

  byKey(tenant: string, key: string): StoredJob | undefined {
    return this.#all((job) => job.tenant === tenant && job.key === key).at(-1);
  }

  insert(job: StoredJob): void {
    this.#kept.set(job.order, { job, events: [], bytes: new Map() });
  }

  update(_job: StoredJob): void {
    // The job that the ledger changed is the one that is kept.
  }

  remove(job: StoredJob): void {
    this.#kept.delete(job.order);
  }

  firstReady(tenant: string): StoredJob | undefined {
    const ready = this.#all((job) => job.tenant === tenant && job.ready);
    return ready.sort((a, b) => b.priority - a.priority || a.order - b.order)[0];
  }

  due(alarm: Alarm, now: number, limit: number): StoredJob[] {
    const at = (job: StoredJob) => job.alarms[alarm] ?? Number.POSITIVE_INFINITY;
    const due = this.#all((job) => at(job) <= now);
    return due.sort((a, b) => at(a) - at(b) || a.order - b.order).slice(0, limit);
  }

  waitsSince(reason: WaitingFor, priority: number, now: number): number | undefined {
    const waiting = this.#all((job) => waitingFor(job) === reason && job.priority === priority && job.readyAt <= now);
    return waiting.map(({ readyAt }) => readyAt).sort((a, b) => a - b)[0];
  }

  parked(target: string, limit: number): StoredJob[] {
    return this.#all((job) => job.parkedUnder === target).slice(0, limit);
  }

  newestFirst(tenant: string, below: number): StoredJob[] {
    return this.#all((job) => job.tenant === tenant && job.order < below).reverse();
  }

  firstTurn(): Turn | undefined {
    return [...this.#turns.values()].sort((a, b) => a.at - b.at)[0];
  }

  hasTurn(tenant: string): boolean {
    return this.#turns.has(tenant);
  }

  putTurn(turn: Turn): void {
    this.#turns.set(turn.tenant, turn);
  }

  endTurn(tenant: string): void {
    this.#turns.delete(tenant);
  }

  count(name: string): number {
    return this.#counters.get(name) ?? 0;
  }

  add(name: string, n: number): void {
    const value = this.count(name) + n;
    if (value === 0) this.#counters.delete(name);
    else this.#counters.set(name, value);
  }

  counters(prefix: string, after: string, limit: number): { name: string; value: number }[] {
    const found = [...this.#counters].filter(([name]) => name.startsWith(prefix) && name > prefix + after);
    found.sort(([a], [b]) => (a < b ? -1 : 1));
    return found.slice(0, limit).map(([name, value]) => ({ name: name.slice(prefix.length), value }));
  }

  addEvent({ order }: StoredJob, event: JobEvent): void {
    this.#kept.get(order)?.events.push(event);
  }

  eventsAfter(job: StoredJob, sequence: number, limit: number): JobEvent[] {
    const events = this.#kept.get(job.order)?.events ?? [];
    return events.filter((event) => event.sequence > sequence).slice(0, limit);
  }

  putBytes({ order }: StoredJob, name: string, bytes: Uint8Array): void {
    this.#kept.get(order)?.bytes.set(name, bytes);
  }

  bytes({ order }: StoredJob, name: string): Uint8Array | undefined {
    return this.#kept.get(order)?.bytes.get(name);
  }

  dropBytes({ order }: StoredJob, prefix: string): void {
    const bytes = this.#kept.get(order)?.bytes ?? new Map<string, Uint8Array>();
    for (const name of bytes.keys()) if (name.startsWith(prefix)) bytes.delete(name);
  }

  /** By age. */
  #all(matches: (job: StoredJob) => boolean): StoredJob[] {
    return Array.from(this.#kept.values(), ({ job }) => job).filter(matches);
  }
}
