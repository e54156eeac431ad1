// The connections of this pod, by key from their arrival and by agent from their welcome on. Bookkeeping only: who may
// stay is decided elsewhere.
import type { WatchedConnection } from './connection-api.ts';

type Member = Pick<WatchedConnection, 'keyId' | 'agentId' | 'epoch'>;

export class Roster<C extends Member> {
  readonly #byKey = new Map<string, Set<C>>();
  readonly #byAgent = new Map<string, C[]>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  *all(): Generator<C, void, undefined> {
    for (const connections of this.#byKey.values()) yield* connections;
  }

  ofKey(keyId: string): readonly C[] {
    return [...(this.#byKey.get(keyId) ?? [])];
  }

  /** The newest first. */
  ofAgent(agentId: string): readonly C[] {
    return this.#byAgent.get(agentId) ?? [];
  }

  newest(agentId: string): C | undefined {
    return this.#byAgent.get(agentId)?.[0];
  }

  /** A connection arrived. */
  add(connection: C): void {
    const connections = this.#byKey.get(connection.keyId) ?? new Set();
    this.#byKey.set(connection.keyId, connections.add(connection));
    this.#size++;
  }

  /** It said which agent it is. */
  seat(connection: C): void {
    const { agentId } = connection;
    this.#byAgent.set(agentId, [connection, ...this.ofAgent(agentId)].sort(newestFirst));
  }

  /** The epoch of one of its connections is another now. */
  reorder(agentId: string): void {
    const seated = this.#byAgent.get(agentId);
    if (seated) this.#byAgent.set(agentId, [...seated].sort(newestFirst));
  }

  remove(connection: C): void {
    const { keyId, agentId } = connection;
    const ofKey = this.#byKey.get(keyId);
    if (!ofKey?.delete(connection)) return;
    this.#size--;
    if (ofKey.size === 0) this.#byKey.delete(keyId);
    const seated = this.ofAgent(agentId);
    const left = seated.filter((other) => other !== connection);
    if (left.length === seated.length) return;
    if (left.length === 0) this.#byAgent.delete(agentId);
    else this.#byAgent.set(agentId, left);
  }
}

function newestFirst(a: Member, b: Member): number {
  return b.epoch - a.epoch;
}
