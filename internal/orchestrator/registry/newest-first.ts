// The connections of each agent, the newest first, and in a view the exits of the newest one; and how many agents each
// key has.
import type { FleetView } from './fleet-view.ts';
import { keyNameOf } from './ids.ts';
import type { LiveExit } from './live-exit.ts';
import type { FleetConnection } from './registry.ts';

interface Agent {
  newestFirst: readonly FleetConnection[];
  /** As they stand in the view. */
  scheduled: readonly LiveExit[];
}

const none: readonly FleetConnection[] = [];

export class NewestFirst {
  readonly #view: FleetView;
  readonly #agents = new Map<string, Agent>();
  readonly #agentCounts = new Map<string, number>();

  constructor(view: FleetView) {
    this.#view = view;
  }

  /** By the name of the key. */
  get agentCounts(): ReadonlyMap<string, number> {
    return this.#agentCounts;
  }

  of(agentId: string): readonly FleetConnection[] {
    return this.#agents.get(agentId)?.newestFirst ?? none;
  }

  /** Also when its exits or its epoch changed. */
  put(connection: FleetConnection): void {
    const agent = this.#agents.get(connection.agentId) ?? this.#add(connection.agentId);
    // An array that grew by a push would have room for seventeen.
    agent.newestFirst = others(agent, connection)
      .concat(connection)
      .sort((a, b) => b.epoch - a.epoch);
    this.#schedule(agent);
  }

  remove(connection: FleetConnection): void {
    const agent = this.#agents.get(connection.agentId);
    if (!agent) return;
    agent.newestFirst = others(agent, connection);
    this.#schedule(agent);
    if (agent.newestFirst.length === 0) this.#drop(connection.agentId);
  }

  #add(agentId: string): Agent {
    const agent = { newestFirst: none, scheduled: [] };
    this.#agents.set(agentId, agent);
    this.#count(keyNameOf(agentId), 1);
    return agent;
  }

  #drop(agentId: string): void {
    this.#agents.delete(agentId);
    this.#count(keyNameOf(agentId), -1);
  }

  #count(keyName: string, by: 1 | -1): void {
    const count = (this.#agentCounts.get(keyName) ?? 0) + by;
    if (count > 0) this.#agentCounts.set(keyName, count);
    else this.#agentCounts.delete(keyName);
  }

  #schedule(agent: Agent): void {
    const exits = agent.newestFirst[0]?.exits ?? [];
    if (exits === agent.scheduled) return;
    for (const exit of agent.scheduled) this.#view.remove(exit);
    for (const exit of exits) this.#view.add(exit);
    agent.scheduled = exits;
  }
}

function others({ newestFirst }: Agent, { connectionId }: FleetConnection): FleetConnection[] {
  return newestFirst.filter((other) => other.connectionId !== connectionId);
}
