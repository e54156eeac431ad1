// Durable jobs in one file, for a pod without Redis. From the first job on the file belongs to a thread of its own, so that
// no write holds up the path of a job; what waits for that thread is bounded.
import { Worker } from 'node:worker_threads';
import { Followers } from '../followers.ts';
import { defaultJobSettings, type JobSettings } from '../job-limits.ts';
import { type JobStore, StoreFault } from '../job-store.ts';
import { type OperationName, storeOf } from '../operations.ts';
import { EmptyFile } from './empty-file.ts';
import { type Call, type Committed, type FromThread, type ThreadData, type ToThread, toError } from './protocol.ts';

export interface SqliteStoreOptions {
  readonly path: string;
  /** Unix milliseconds. */
  readonly now: () => number;
  readonly settings?: JobSettings;
}

/** A second of writing, roughly. */
const maxWaitingCalls = 10_000;
const maxWaitingBytes = 128 * 1024 * 1024;

/** Resolves once the file is open and of today's schema; rejects when another process has it. */
export async function openSqliteJobStore(options: SqliteStoreOptions): Promise<JobStore> {
  const store = new SqliteStore(options);
  await store.opened;
  return storeOf((name, args) => store.perform(name, args), {
    follow: (listener) => store.followers.follow(listener),
    close: () => store.close(),
  });
}

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly bytes: number;
}

class SqliteStore {
  readonly followers = new Followers();
  readonly opened: Promise<void>;
  readonly #threadData: ThreadData;
  readonly #now: () => number;
  readonly #waiting = new Map<number, Waiting>();
  /** Until there is a thread. */
  #empty: EmptyFile | undefined;
  #thread: { readonly worker: Worker; readonly ended: Promise<void> } | undefined;
  #waitingBytes = 0;
  #calls = 0;
  #failure: Error | undefined;

  constructor({ path, now, settings = defaultJobSettings }: SqliteStoreOptions) {
    this.#now = now;
    this.#threadData = { path, settings };
    this.#empty = EmptyFile.open(path, settings);
    this.opened = this.#empty ? Promise.resolve() : this.#startThread();
  }

  perform(name: OperationName, args: readonly unknown[]): Promise<unknown> {
    const refusal = this.#refusal();
    if (refusal) return Promise.reject(refusal);
    const bytes = weight(args);
    const call: Call = { id: ++this.#calls, name, args, now: this.#now() };
    if (this.#empty && name !== 'submit') return this.#performHere(this.#empty, call);
    this.#handOver();
    return new Promise((resolve, reject) => {
      this.#waiting.set(call.id, { resolve, reject, bytes });
      this.#waitingBytes += bytes;
      this.#tell(call);
    });
  }

  async #performHere(empty: EmptyFile, call: Call): Promise<unknown> {
    return empty.perform(call);
  }

  /** What is told to the thread before it has opened the file, it finds when it has. */
  #handOver(): void {
    if (!this.#empty) return;
    this.#empty.close();
    this.#empty = undefined;
    this.#startThread().catch(() => {}); // Whoever waits hears of it by #fail.
  }

  /** Resolves once it has the file; rejects when it never will. */
  #startThread(): Promise<void> {
    const worker = new Worker(new URL('./thread.ts', import.meta.url), { workerData: this.#threadData });
    const opening = Promise.withResolvers<void>();
    const ending = Promise.withResolvers<void>();
    this.#thread = { worker, ended: ending.promise };
    worker.on('message', (message: FromThread) => {
      if (message.kind === 'open') opening.resolve();
      else this.#committed(message);
    });
    worker.on('error', (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    worker.on('exit', () => {
      this.#fail(new Error('the job store is closed'));
      opening.reject(this.#failure);
      ending.resolve();
    });
    return opening.promise;
  }

  /** What was asked before is still done. */
  async close(): Promise<void> {
    this.#failure ??= new Error('the job store is closed');
    this.#empty?.close();
    this.#empty = undefined;
    this.#tell('close');
    await this.#thread?.ended;
  }

  #refusal(): StoreFault | undefined {
    if (this.#failure) return unavailable(this.#failure);
    if (this.#waiting.size < maxWaitingCalls && this.#waitingBytes < maxWaitingBytes) return undefined;
    return new StoreFault('OVERLOADED', 'too much waits to be written');
  }

  #tell(message: ToThread): void {
    this.#thread?.worker.postMessage(message);
  }

  #committed({ replies, changes }: Committed): void {
    for (const reply of replies) {
      const waiting = this.#waiting.get(reply.id);
      if (!waiting) continue;
      this.#waiting.delete(reply.id);
      this.#waitingBytes -= waiting.bytes;
      if ('fault' in reply) waiting.reject(toError(reply.fault));
      else waiting.resolve(reply.value);
    }
    for (const change of changes) this.followers.tell(change);
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    for (const { reject } of this.#waiting.values()) reject(unavailable(this.#failure));
    this.#waiting.clear();
    this.#waitingBytes = 0;
  }
}

function unavailable(cause: Error): StoreFault {
  return new StoreFault('STORE_UNAVAILABLE', cause.message, cause);
}

/** The bytes that a call carries, at the top or in its first argument. */
function weight(args: readonly unknown[]): number {
  let bytes = 0;
  for (const arg of args) {
    if (arg instanceof Uint8Array) bytes += arg.length;
    else if (typeof arg === 'object' && arg !== null && 'spec' in arg && arg.spec instanceof Uint8Array) {
      bytes += arg.spec.length;
    }
  }
  return bytes;
}
