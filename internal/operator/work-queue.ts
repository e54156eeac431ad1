// Keys that wait to be looked at. A key waits once however often it is added, is worked on by one worker at a time, and
// comes again after a failure: later each time, and spread, so that a fault of the server does not become a storm.
import { narrowJitterMs } from '../kit/backoff.ts';
import type { CancelTimer, Clock, Random } from '../kit/clock.ts';

export interface WorkQueueOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly workers: number;
  /** Resolves with the milliseconds after which to look again; undefined: only when added. */
  readonly work: (key: string) => Promise<number | undefined>;
  readonly onFailure: (key: string, error: unknown, retryMs: number) => void;
}

type State =
  /** In line. */
  | { readonly kind: 'waiting' }
  /** Under work; `again` when it was added meanwhile. */
  | { readonly kind: 'working'; readonly again: boolean }
  /** Its time comes by itself. */
  | { readonly kind: 'later'; readonly cancel: CancelTimer };

const retryBaseMs = 250;
const retryMaxMs = 5 * 60_000;
/** Timers further away fire early and find nothing to do. */
const maxLaterMs = 3_600_000;

export class WorkQueue {
  readonly #options: WorkQueueOptions;
  readonly #states = new Map<string, State>();
  readonly #failures = new Map<string, number>();
  readonly #line: string[] = [];
  readonly #idle: (() => void)[] = [];
  #working = 0;
  #running = false;

  constructor(options: WorkQueueOptions) {
    this.#options = options;
  }

  /** Keys in line. */
  get depth(): number {
    return this.#line.length;
  }

  start(): void {
    this.#running = true;
    this.#next();
  }

  /** Resolves when the work that was begun is done; what waits is forgotten. */
  async stop(): Promise<void> {
    this.#running = false;
    this.#line.length = 0;
    for (const [key, state] of this.#states) {
      if (state.kind === 'later') state.cancel();
      if (state.kind !== 'working') this.#states.delete(key);
    }
    if (this.#working > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  add(key: string): void {
    const state = this.#states.get(key);
    if (state?.kind === 'waiting') return;
    if (state?.kind === 'working') {
      this.#states.set(key, { kind: 'working', again: true });
      return;
    }
    state?.cancel();
    this.#states.set(key, { kind: 'waiting' });
    this.#line.push(key);
    this.#next();
  }

  #next(): void {
    while (this.#running && this.#working < this.#options.workers) {
      const key = this.#line.shift();
      if (key === undefined) return;
      this.#working++;
      this.#states.set(key, { kind: 'working', again: false });
      void this.#workOn(key);
    }
  }

  async #workOn(key: string): Promise<void> {
    const laterMs = await this.#attempt(key);
    this.#working--;
    const state = this.#states.get(key);
    this.#states.delete(key);
    if (this.#running && state?.kind === 'working' && state.again && !this.#failures.has(key)) this.add(key);
    else if (this.#running && laterMs !== undefined) this.#addLater(key, laterMs);
    if (this.#working === 0) for (const resolve of this.#idle.splice(0)) resolve();
    this.#next();
  }

  async #attempt(key: string): Promise<number | undefined> {
    const { work, random, onFailure } = this.#options;
    try {
      const laterMs = await work(key);
      this.#failures.delete(key);
      return laterMs;
    } catch (error) {
      const failures = this.#failures.get(key) ?? 0;
      this.#failures.set(key, failures + 1);
      const retryMs = narrowJitterMs(failures, retryBaseMs, retryMaxMs, random);
      onFailure(key, error, retryMs);
      return retryMs;
    }
  }

  #addLater(key: string, ms: number): void {
    const cancel = this.#options.clock.after(Math.min(ms, maxLaterMs), () => this.add(key));
    this.#states.set(key, { kind: 'later', cancel });
  }
}
