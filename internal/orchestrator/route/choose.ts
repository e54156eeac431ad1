// Chooses one exit for an attempt: two random ones out of the smallest set that the target names, and the better of
// them. What it costs depends on the target, never on the size of the fleet. Pure: randomness is an argument.
import type { Candidate, CandidateSet, Constraint, Fleet, Target } from './candidate.ts';
import { exitNotFound, type Findings, type NoExit, unavailable } from './unavailable.ts';

/** Random picks before a scan: enough to find two that fit while one exit in ten does. */
const maxPicks = 32;
/** A longer scan would hold up every other job of the pod. */
const maxScanned = 4_096;
/** An exit whose attempts all failed counts as ten times as loaded as it is: others come first, but it is not given up. */
const minSuccess = 0.1;
/**
 * What the hop to another pod costs, as load: it decides between exits that are about as busy, and an exit of this pod
 * wins at most a tenth of its capacity by it. More would fill this pod's exits while those of others stand idle.
 */
const hopCost = 0.1;
/** More than any exit with room can cost: an exit of an agent that was not tried always wins. */
const triedCost = 1 / minSuccess + hopCost;

/** An exit that this job was sent to already. */
export type Tried = Pick<Candidate, 'exitId' | 'agentId'>;

export interface Question<E extends Candidate = Candidate> {
  readonly target: Target;
  readonly tenant: string;
  readonly fleet: Fleet<E>;
  /** Not chosen again; other exits of the same agents come last. */
  readonly exclude: readonly Tried[];
  /** A number in [0, 1). */
  readonly random: () => number;
}

export type Choice<E extends Candidate = Candidate> = { readonly kind: 'chosen'; readonly candidate: E } | NoExit;

export function choose<E extends Candidate>({ target, tenant, fleet, exclude, random }: Question<E>): Choice<E> {
  const usable = fleet.usable(tenant);
  const asked = fleet.asked(target);
  let set = smallest(usable, asked);
  if (target.exitId !== '') {
    const exit = fleet.byId(target.exitId);
    if (!exit || !usable.matches(exit)) return exitNotFound(target.exitId);
    set = { size: 1, at: () => exit };
  }
  const search = new Search(set, usable, asked, exclude, random);
  const candidate = search.pick() ?? search.scan();
  return candidate ? { kind: 'chosen', candidate } : unavailable(target, usable, asked, search);
}

function smallest<E extends Candidate>(usable: Constraint<E>, asked: readonly Constraint<E>[]): CandidateSet<E> {
  let least = usable.set;
  for (const { set } of asked) if (set.size < least.size) least = set;
  return least;
}

/** Looks for two distinct exits that fit, and keeps the better one. */
class Search<E extends Candidate> implements Findings {
  looked = 0;
  full = 0;
  closed = 0;
  tried = 0;
  #best: E | undefined;
  #missing: number;
  readonly #set: CandidateSet<E>;
  readonly #usable: Constraint<E>;
  readonly #asked: readonly Constraint<E>[];
  readonly #exclude: readonly Tried[];
  readonly #random: () => number;

  constructor(
    set: CandidateSet<E>,
    usable: Constraint<E>,
    asked: readonly Constraint<E>[],
    exclude: readonly Tried[],
    random: () => number,
  ) {
    this.#missing = Math.min(2, set.size);
    this.#set = set;
    this.#usable = usable;
    this.#asked = asked;
    this.#exclude = exclude;
    this.#random = random;
  }

  get of(): number {
    return this.#set.size;
  }

  pick(): E | undefined {
    for (let picks = 0; picks < maxPicks && this.#missing > 0; picks++) {
      const candidate = this.#set.at(this.#randomIndex());
      if (candidate === this.#best || !candidate.open || !hasRoom(candidate)) continue;
      if (this.#matches(candidate) && !this.#wasTried(candidate)) this.#offer(candidate);
    }
    return this.#best;
  }

  /** From a random start, so that the exit behind a full one is not preferred. */
  scan(): E | undefined {
    const start = this.#randomIndex();
    const most = Math.min(this.of, maxScanned);
    for (; this.looked < most && this.#missing > 0; this.looked++) {
      const candidate = this.#set.at((start + this.looked) % this.of);
      if (!this.#matches(candidate)) continue;
      if (this.#wasTried(candidate)) this.tried++;
      else if (!candidate.open) this.closed++;
      else if (!hasRoom(candidate)) this.full++;
      else this.#offer(candidate);
    }
    return this.#best;
  }

  #offer(candidate: E): void {
    this.#missing--;
    if (!this.#best || this.#cost(candidate) < this.#cost(this.#best)) this.#best = candidate;
  }

  #cost(candidate: E): number {
    const load = (candidate.inFlight + 1) / candidate.capacity;
    const agentTried = this.#exclude.some((tried) => tried.agentId === candidate.agentId);
    const hop = candidate.local ? 0 : hopCost;
    return load / Math.max(candidate.recentSuccess, minSuccess) + hop + (agentTried ? triedCost : 0);
  }

  #matches(candidate: E): boolean {
    if (!this.#usable.matches(candidate)) return false;
    for (const constraint of this.#asked) if (!constraint.matches(candidate)) return false;
    return true;
  }

  #wasTried(candidate: E): boolean {
    for (const tried of this.#exclude) if (tried.exitId === candidate.exitId) return true;
    return false;
  }

  #randomIndex(): number {
    return Math.floor(this.#random() * this.#set.size);
  }
}

function hasRoom(candidate: Candidate): boolean {
  return candidate.inFlight < candidate.capacity;
}
