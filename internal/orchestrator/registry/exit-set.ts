// A set of exits that can be sampled: an array to pick from, and where in it each exit stands. Adding, removing and
// picking cost the same at any size.
import type { CandidateSet } from '../route/candidate.ts';
import type { LiveExit } from './live-exit.ts';

export class ExitSet implements CandidateSet<LiveExit> {
  readonly #exits: LiveExit[] = [];
  readonly #places = new Map<string, number>();

  get size(): number {
    return this.#exits.length;
  }

  at(index: number): LiveExit {
    const exit = this.#exits[index];
    if (!exit) throw new RangeError(`no exit at ${index} of ${this.size}`);
    return exit;
  }

  get(exitId: string): LiveExit | undefined {
    const place = this.#places.get(exitId);
    return place === undefined ? undefined : this.#exits[place];
  }

  /** An exit whose id is in the set already takes the place of the one before. */
  add(exit: LiveExit): void {
    const place = this.#places.get(exit.exitId) ?? this.#exits.length;
    this.#exits[place] = exit;
    this.#places.set(exit.exitId, place);
  }

  /** The last one takes the place that becomes free. */
  remove(exitId: string): void {
    const place = this.#places.get(exitId);
    if (place === undefined) return;
    this.#places.delete(exitId);
    const last = this.#exits.pop();
    if (!last || last.exitId === exitId) return;
    this.#exits[place] = last;
    this.#places.set(last.exitId, place);
  }
}

/** Two sets that share no exit, as one. */
export class ExitUnion implements CandidateSet<LiveExit> {
  readonly #first: ExitSet;
  readonly #second: ExitSet;

  constructor(first: ExitSet, second: ExitSet) {
    this.#first = first;
    this.#second = second;
  }

  get size(): number {
    return this.#first.size + this.#second.size;
  }

  at(index: number): LiveExit {
    const beyond = index - this.#first.size;
    return beyond < 0 ? this.#first.at(index) : this.#second.at(beyond);
  }
}
