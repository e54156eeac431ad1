// The body of an answer on its way into the store: cut into chunks of one size, however it arrives, and never more than
// one of them in memory.
import { AttemptFailure } from '../failure/failures.ts';
import { type Held, type JobStore, type Lease, StoreFault } from '../jobs/job-store.ts';
import type { HeldJob } from './held-job.ts';
import { queueLimits } from './queue-limits.ts';

export class AnswerBody {
  readonly #held: HeldJob;
  #pieces: Uint8Array[] = [];
  #waiting = 0;
  #chunks = 0;
  #bytes = 0;

  constructor(held: HeldJob) {
    this.#held = held;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get chunks(): number {
    return this.#chunks;
  }

  /** Rejects with an AttemptFailure when the store has no room for it. */
  async add(bytes: Uint8Array): Promise<void> {
    if (bytes.length === 0) return;
    this.#pieces.push(bytes);
    this.#waiting += bytes.length;
    this.#bytes += bytes.length;
    if (this.#waiting >= queueLimits.chunkBytes) await this.flush();
  }

  /** Hands over what is left. */
  async flush(): Promise<void> {
    if (this.#waiting === 0) return;
    const chunk = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#waiting = 0;
    for (let at = 0; at < chunk.length; at += queueLimits.chunkBytes)
      await this.#put(chunk.subarray(at, at + queueLimits.chunkBytes));
  }

  async #put(chunk: Uint8Array): Promise<void> {
    const index = this.#chunks++;
    const put = await this.#held.record<'full'>((store, lease) => putUnlessFull(store, lease, index, chunk));
    if (put === 'full') throw new AttemptFailure('STORE_FULL', 'DONE');
  }
}

/** Everything else is said again until there is room; a body would only take more of it. */
async function putUnlessFull(store: JobStore, lease: Lease, index: number, chunk: Uint8Array): Promise<Held | 'full'> {
  try {
    return await store.putChunk(lease, index, chunk);
  } catch (error) {
    if (error instanceof StoreFault && error.code === 'STORE_FULL') return 'full';
    throw error;
  }
}
