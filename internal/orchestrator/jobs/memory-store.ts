// Durable jobs that are not durable: for tests, and as the model that the other stores are compared with.
import { Followers } from './followers.ts';
import { defaultJobSettings, type JobSettings } from './job-limits.ts';
import type { JobChange, JobStore } from './job-store.ts';
import { Ledger } from './ledger/ledger.ts';
import { MemoryShelf } from './memory-shelf.ts';
import { performOn, storeOf } from './operations.ts';

export interface MemoryStoreOptions {
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly settings?: JobSettings;
}

export function memoryJobStore({ now, settings = defaultJobSettings }: MemoryStoreOptions): JobStore {
  const followers = new Followers();
  // Not in the middle of the change: whoever hears of it may ask at once.
  const tell = (change: JobChange) => queueMicrotask(() => followers.tell(change));
  const ledger = new Ledger({ shelf: new MemoryShelf(), now, settings, tell });
  return storeOf(async (name, args) => performOn(ledger, name, args), {
    follow: (listener) => followers.follow(listener),
    close: async () => {},
  });
}
