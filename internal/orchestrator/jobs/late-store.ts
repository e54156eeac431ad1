// A store that is opened when the program starts, for rooms that are built before. Until then, and as long as the
// server behind it cannot be reached, it says so; who follows it hears of changes once it is open.
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { Followers } from './followers.ts';
import { type JobStore, StoreFault } from './job-store.ts';
import { type OperationName, storeOf } from './operations.ts';

export interface LateStoreOptions {
  readonly open: () => Promise<JobStore>;
  readonly clock: Clock;
  readonly log: Logger;
}

const againMs = 1_000;

export class LateStore {
  readonly store: JobStore;
  readonly #options: LateStoreOptions;
  readonly #followers = new Followers();
  #opened: JobStore | undefined;
  #closed = false;
  #unfollow: () => void = () => {};
  #cancelAgain: CancelTimer = () => {};

  constructor(options: LateStoreOptions) {
    this.#options = options;
    this.store = storeOf((name, args) => this.#perform(name, args), {
      follow: (listener) => this.#followers.follow(listener),
      close: () => this.close(),
    });
  }

  /** Rejects when it can never be opened; one that only cannot be reached is tried again until it can. */
  async open(): Promise<void> {
    const { open, clock, log } = this.#options;
    try {
      await this.#take(await open());
    } catch (error) {
      if (!isAway(error)) throw error;
      log.warn({ fault: error.message }, 'the job store cannot be reached yet');
      this.#cancelAgain = clock.after(againMs, () => void this.#again());
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelAgain();
    this.#unfollow();
    await this.#opened?.close();
    this.#opened = undefined;
  }

  async #again(): Promise<void> {
    const { open, clock, log } = this.#options;
    try {
      await this.#take(await open());
      log.info('the job store is open');
    } catch (error) {
      if (!isAway(error)) log.error({ fault: String(error) }, 'the job store cannot be opened');
      if (!this.#closed) this.#cancelAgain = clock.after(againMs, () => void this.#again());
    }
  }

  async #take(store: JobStore): Promise<void> {
    if (this.#closed) return store.close();
    this.#opened = store;
    this.#unfollow = store.follow((change) => this.#followers.tell(change));
  }

  #perform(name: OperationName, args: readonly unknown[]): Promise<unknown> {
    if (!this.#opened) return Promise.reject(new StoreFault('STORE_UNAVAILABLE', 'the job store is not open'));
    const operation = this.#opened[name] as (...args: readonly unknown[]) => Promise<unknown>;
    return operation.apply(this.#opened, [...args]);
  }
}

function isAway(error: unknown): error is StoreFault {
  return error instanceof StoreFault && error.code === 'STORE_UNAVAILABLE';
}
