// Requests that wait for a word of the test: the way to have a job in flight at an exactly known moment.
export class Holds {
  readonly #gates = new Map<string, PromiseWithResolvers<void>>();
  #open = false;

  /** Resolves when `name` is, or was, released. */
  wait(name: string): Promise<void> {
    if (this.#open) return Promise.resolve();
    return this.#gate(name).promise;
  }

  release(name: string): void {
    this.#gate(name).resolve();
  }

  /** Releases everything that waits or will ever wait. */
  releaseAll(): void {
    this.#open = true;
    for (const gate of this.#gates.values()) gate.resolve();
  }

  #gate(name: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(name) ?? Promise.withResolvers<void>();
    this.#gates.set(name, gate);
    return gate;
  }
}
