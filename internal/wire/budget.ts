// The memory that all streams of a process may hold together. Windows bound each stream; this bounds their sum.

export type BudgetLevel = 'plenty' | 'half' | 'spent';

/** A stream that holds bytes nobody has read yet. */
export interface BufferHolder {
  readonly bufferedBytes: number;
  /** Ends the stream because its reader stalls while memory is short. */
  shed(): void;
}

export class BufferBudget {
  readonly limitBytes: number;
  #usedBytes = 0;
  readonly #holders = new Set<BufferHolder>();

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Above half, windows stop growing; when spent, new streams start small. */
  get level(): BudgetLevel {
    if (this.#usedBytes > this.limitBytes) return 'spent';
    return this.#usedBytes > this.limitBytes / 2 ? 'half' : 'plenty';
  }

  /** The holder took bytes in. Past the limit, the largest holder is shed. */
  take(holder: BufferHolder, bytes: number): void {
    this.#usedBytes += bytes;
    this.#holders.add(holder);
    if (this.#usedBytes > this.limitBytes) this.#largest()?.shed();
  }

  /** The holder gave bytes on, or dropped them. */
  release(holder: BufferHolder, bytes: number): void {
    this.#usedBytes -= bytes;
    if (holder.bufferedBytes === 0) this.#holders.delete(holder);
  }

  #largest(): BufferHolder | undefined {
    let largest: BufferHolder | undefined;
    for (const holder of this.#holders) {
      if (!largest || holder.bufferedBytes > largest.bufferedBytes) largest = holder;
    }
    return largest;
  }
}
