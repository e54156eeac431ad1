// Where those wait whom nobody knows yet. A crowd cannot lock newcomers out: who comes when the lobby is full takes the
// place of whoever has waited longest, first among those of its own group. Each step is constant work.

export interface LobbyBounds {
  /** Guests that wait at once. */
  readonly inAll: number;
  /** Of them, those of one group. */
  readonly perGroup: number;
}

export type Crowding = 'group' | 'all';

interface Place<G> {
  readonly guest: G;
  readonly group: string | undefined;
}

export interface Displaced<G> {
  readonly guest: G;
  /** What was full. */
  readonly because: Crowding;
}

export class Lobby<G> {
  readonly #bounds: LobbyBounds;
  // Maps and sets keep the order in which things were added: the first is the oldest.
  readonly #places = new Map<string, Place<G>>();
  readonly #groups = new Map<string, Set<string>>();

  constructor(bounds: LobbyBounds) {
    this.#bounds = bounds;
  }

  get size(): number {
    return this.#places.size;
  }

  get(id: string): G | undefined {
    return this.#places.get(id)?.guest;
  }

  /** The longest waiting first. */
  *guests(): Generator<G, void, undefined> {
    for (const { guest } of this.#places.values()) yield guest;
  }

  /** Lets the guest in, and returns who had to go for it. Without a group it counts towards all only. */
  enter(id: string, guest: G, group: string | undefined): Displaced<G> | undefined {
    this.leave(id);
    const displaced = this.#makeRoom(group);
    this.#places.set(id, { guest, group });
    if (group !== undefined) this.#membersOf(group).add(id);
    return displaced;
  }

  /** The guest, if it was still here. */
  leave(id: string): G | undefined {
    const place = this.#places.get(id);
    if (!place) return undefined;
    this.#places.delete(id);
    const members = place.group === undefined ? undefined : this.#groups.get(place.group);
    members?.delete(id);
    if (place.group !== undefined && members?.size === 0) this.#groups.delete(place.group);
    return place.guest;
  }

  #makeRoom(group: string | undefined): Displaced<G> | undefined {
    const members = group === undefined ? undefined : this.#groups.get(group);
    if (members && members.size >= this.#bounds.perGroup) return this.#displaceFirst(members.keys(), 'group');
    return this.size >= this.#bounds.inAll ? this.#displaceFirst(this.#places.keys(), 'all') : undefined;
  }

  #displaceFirst(ids: IterableIterator<string>, because: Crowding): Displaced<G> | undefined {
    const { value: id } = ids.next();
    const guest = id === undefined ? undefined : this.leave(id);
    return guest === undefined ? undefined : { guest, because };
  }

  #membersOf(group: string): Set<string> {
    const known = this.#groups.get(group);
    if (known) return known;
    const members = new Set<string>();
    this.#groups.set(group, members);
    return members;
  }
}
