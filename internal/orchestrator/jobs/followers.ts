// Who wants to hear of changes.
import type { JobChange } from './job-store.ts';

export class Followers {
  readonly #listeners = new Set<(change: JobChange) => void>();

  get size(): number {
    return this.#listeners.size;
  }

  follow(listener: (change: JobChange) => void): () => void {
    const own = (change: JobChange) => listener(change);
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  tell(change: JobChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}
