// A request body on its way to the origin. It can be sent again for a redirect that keeps it, or on a fresh connection,
// as long as what was read so far is kept; what all bodies keep together is bounded.
import type { RequestBody } from './egress-api.ts';

/** Bytes that uploads keep for being sent again, over all exchanges. */
export class ReplayBudget {
  readonly #limitBytes: number;
  #usedBytes = 0;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  take(bytes: number): boolean {
    if (this.#usedBytes + bytes > this.#limitBytes) return false;
    this.#usedBytes += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}

export const maxReplayBytes = 16 * 1024 * 1024;

/** The caller's end of the body broke off. */
export class UploadError extends Error {
  override readonly name = 'UploadError';
}

/** An async iterable that undici reads once per hop. */
export class Upload implements AsyncIterable<Uint8Array> {
  readonly #source: RequestBody;
  readonly #budget: ReplayBudget;
  /** What was read so far; undefined when it is not, or no longer, kept. */
  #kept: Uint8Array[] | undefined;
  #keptBytes = 0;
  #pass = 0;
  #reading: Promise<Uint8Array | undefined> | undefined;
  #atEnd = false;

  constructor(source: RequestBody, keep: boolean, budget: ReplayBudget) {
    this.#source = source;
    this.#budget = budget;
    this.#kept = keep ? [] : undefined;
  }

  get contentLength(): number | undefined {
    return this.#source.contentLength;
  }

  /** Whether a further pass would send the same bytes. */
  get replayable(): boolean {
    return this.#pass === 0 || this.#kept !== undefined;
  }

  /** Frees what is kept. */
  dispose(): void {
    this.#pass++;
    this.#forget();
  }

  /** A new pass ends an older one that still waits for bytes; both wait on one read. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    const pass = ++this.#pass;
    yield* pass === 1 ? this.#first() : [...(this.#kept ?? [])];
    while (pass === this.#pass && !this.#atEnd) {
      const chunk = await this.#read();
      if (pass !== this.#pass) return;
      if (chunk === undefined) this.#atEnd = true;
      else yield this.#keep(chunk);
    }
  }

  #first(): Uint8Array[] {
    const { first } = this.#source;
    return first.length > 0 ? [this.#keep(first)] : [];
  }

  #read(): Promise<Uint8Array | undefined> {
    this.#reading ??= this.#readOnce();
    return this.#reading;
  }

  async #readOnce(): Promise<Uint8Array | undefined> {
    try {
      return await this.#source.read();
    } catch (cause) {
      throw new UploadError('the request body broke off', { cause });
    } finally {
      this.#reading = undefined;
    }
  }

  #keep(chunk: Uint8Array): Uint8Array {
    if (!this.#kept) return chunk;
    if (this.#keptBytes + chunk.length > maxReplayBytes || !this.#budget.take(chunk.length)) this.#forget();
    else {
      this.#kept.push(chunk);
      this.#keptBytes += chunk.length;
    }
    return chunk;
  }

  #forget(): void {
    this.#budget.release(this.#keptBytes);
    this.#keptBytes = 0;
    this.#kept = undefined;
  }
}
