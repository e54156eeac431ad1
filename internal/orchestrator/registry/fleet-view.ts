// Every exit that may be scheduled, in memory, with one set per thing that a target can ask for: country, region,
// city, ASN, each label; and one per tenant. A registry keeps it, route reads it.
import type { Candidate, CandidateSet, Constraint, Fleet, Target } from '../route/candidate.ts';
import { ExitSet, ExitUnion } from './exit-set.ts';
import type { LiveExit } from './live-exit.ts';

type Matches = (candidate: Candidate) => boolean;

/** The exits that share one property, such as country=DE. */
interface Facet extends Constraint<LiveExit> {
  readonly set: ExitSet;
}

/** The exits that only some tenants may use, this one among them; and all that it may use. */
interface TenantExits {
  readonly own: ExitSet;
  readonly usable: Constraint<LiveExit>;
}

const fields = ['country', 'region', 'city', 'asn'] as const;
const nobody = new ExitSet();

export class FleetView implements Fleet<LiveExit> {
  readonly #all = new ExitSet();
  readonly #facets = new Map<string, Facet>();
  readonly #tenants = new Map<string, TenantExits>();
  readonly #everyone: Facet = { name: 'tenant', set: new ExitSet(), matches: ({ tenants }) => tenants.size === 0 };

  #onAdded: () => void = () => {};

  /** Sets who hears that there is an exit that was not there before, or not so. */
  onAdded(listener: () => void): void {
    this.#onAdded = listener;
  }

  get all(): CandidateSet<LiveExit> {
    return this.#all;
  }

  byId(exitId: string): LiveExit | undefined {
    return this.#all.get(exitId);
  }

  usable(tenant: string): Constraint<LiveExit> {
    return this.#tenants.get(tenant)?.usable ?? this.#everyone;
  }

  asked(target: Target): readonly Constraint<LiveExit>[] {
    const asked: Constraint<LiveExit>[] = [];
    for (const field of fields) if (target[field]) asked.push(this.#find(fieldName(field, target[field])));
    for (const [key, value] of target.labels) asked.push(this.#find(labelName(key, value)));
    return asked;
  }

  /** An exit whose id is in the view already replaces the one before. */
  add(exit: LiveExit): void {
    const before = this.byId(exit.exitId);
    if (before) this.remove(before);
    this.#all.add(exit);
    for (const [name, matches] of facetsOf(exit)) this.#facet(name, matches).set.add(exit);
    if (exit.tenants.size === 0) this.#everyone.set.add(exit);
    for (const tenant of exit.tenants) this.#tenant(tenant).own.add(exit);
    this.#onAdded();
  }

  /** Does nothing when another exit has taken its id meanwhile. */
  remove(exit: LiveExit): void {
    if (this.byId(exit.exitId) !== exit) return;
    this.#all.remove(exit.exitId);
    for (const [name] of facetsOf(exit)) removeFrom(this.#facets, name, (facet) => facet.set, exit);
    if (exit.tenants.size === 0) this.#everyone.set.remove(exit.exitId);
    for (const tenant of exit.tenants) removeFrom(this.#tenants, tenant, ({ own }) => own, exit);
  }

  #find(name: string): Constraint<LiveExit> {
    return this.#facets.get(name) ?? { name, set: nobody, matches: () => false };
  }

  #facet(name: string, matches: Matches): Facet {
    const known = this.#facets.get(name);
    if (known) return known;
    const facet = { name, set: new ExitSet(), matches };
    this.#facets.set(name, facet);
    return facet;
  }

  #tenant(tenant: string): TenantExits {
    const known = this.#tenants.get(tenant);
    if (known) return known;
    const own = new ExitSet();
    const matches: Matches = ({ tenants }) => tenants.size === 0 || tenants.has(tenant);
    const added = { own, usable: { name: 'tenant', set: new ExitUnion(this.#everyone.set, own), matches } };
    this.#tenants.set(tenant, added);
    return added;
  }
}

/** What a target can ask of the exit, each with its test. */
function facetsOf(exit: LiveExit): [string, Matches][] {
  const facets: [string, Matches][] = [];
  for (const field of fields) {
    const value = exit[field];
    if (value) facets.push([fieldName(field, value), (candidate) => candidate[field] === value]);
  }
  for (const [key, value] of exit.labels) {
    facets.push([labelName(key, value), (candidate) => candidate.labels.get(key) === value]);
  }
  return facets;
}

function fieldName(field: (typeof fields)[number], value: string | number): string {
  return `${field}=${value}`;
}

function labelName(key: string, value: string): string {
  return `label ${key}=${value}`;
}

/** A set that becomes empty is forgotten, so that the view never holds more than the fleet needs. */
function removeFrom<T>(sets: Map<string, T>, name: string, setOf: (entry: T) => ExitSet, exit: LiveExit): void {
  const entry = sets.get(name);
  if (!entry) return;
  const set = setOf(entry);
  set.remove(exit.exitId);
  if (set.size === 0) sets.delete(name);
}
