// Lets a few through at once, and the others in the order in which they came. How many may wait is bounded by whoever
// sends them here.

export class Turnstile {
  readonly #maxInside: number;
  readonly #line: (() => void)[] = [];
  #inside = 0;

  constructor(maxInside: number) {
    this.#maxInside = maxInside;
  }

  async pass<T>(work: () => Promise<T>): Promise<T> {
    // Who leaves hands its place to the next in line, so that nobody slips in between.
    if (this.#inside < this.#maxInside) this.#inside++;
    else await new Promise<void>((resolve) => this.#line.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.#line.shift();
      if (next) next();
      else this.#inside--;
    }
  }
}
