// The fleet of one pod, in its memory: its connections for whoever asks, and in the view the exits that take jobs.
// Of several connections of one agent the newest counts; an older one comes back when the newer ends first.

import { AgentWatch } from './agent-watch.ts';
import type { AgentChange, AgentDirectory, AgentRecord, AgentStatus } from './agents.ts';
import type { FleetView } from './fleet-view.ts';
import type { LiveExit } from './live-exit.ts';
import type { FleetConnection, Registry } from './registry.ts';

/** The connections of one agent id, and the exits of the newest one as they stand in the view. */
interface Agent {
  newestFirst: FleetConnection[];
  scheduled: readonly LiveExit[];
}

interface Held {
  readonly connection: FleetConnection;
  /** As they were when the connection was last put. */
  readonly tenants: ReadonlySet<string>;
}

interface Watcher {
  readonly tenant: string;
  readonly watch: AgentWatch;
}

export class MemoryRegistry implements Registry, AgentDirectory {
  readonly #view: FleetView;
  readonly #held = new Map<string, Held>();
  readonly #agents = new Map<string, Agent>();
  readonly #watchers = new Set<Watcher>();

  constructor(view: FleetView) {
    this.#view = view;
  }

  put(connection: FleetConnection): void {
    const before = this.#held.get(connection.connectionId)?.tenants;
    this.#held.set(connection.connectionId, { connection, tenants: connection.tenants });
    const agent = this.#agents.get(connection.agentId) ?? { newestFirst: [], scheduled: [] };
    this.#agents.set(connection.agentId, agent);
    agent.newestFirst = [...others(agent, connection.connectionId), connection].sort((a, b) => b.epoch - a.epoch);
    this.#schedule(agent);
    this.#tell(connection, before, connection.tenants);
  }

  remove(connectionId: string): void {
    const held = this.#held.get(connectionId);
    if (!held) return;
    this.#held.delete(connectionId);
    const { agentId } = held.connection;
    const agent = this.#agents.get(agentId);
    if (agent) {
      agent.newestFirst = others(agent, connectionId);
      this.#schedule(agent);
      if (agent.newestFirst.length === 0) this.#agents.delete(agentId);
    }
    this.#tell(held.connection, held.tenants, undefined);
  }

  /** Every connection, whoever may use it: for metrics, never for a caller. */
  *all(): Generator<AgentRecord, void, undefined> {
    for (const { connection } of this.#held.values()) yield toRecord(connection);
  }

  list(tenant: string): readonly AgentRecord[] {
    return Array.from(this.#visibleTo(tenant), toRecord);
  }

  get(tenant: string, agentId: string): AgentRecord | undefined {
    const connection = this.#agents.get(agentId)?.newestFirst.find(({ tenants }) => mayUse(tenant, tenants));
    return connection && toRecord(connection);
  }

  async *watch(tenant: string, signal: AbortSignal): AsyncGenerator<AgentChange, void, undefined> {
    const watcher = { tenant, watch: new AgentWatch(this.#visibleTo(tenant), toRecord) };
    this.#watchers.add(watcher);
    try {
      yield* watcher.watch.changes(signal);
    } finally {
      this.#watchers.delete(watcher);
    }
  }

  *#visibleTo(tenant: string): Generator<FleetConnection, void, undefined> {
    for (const { connection, tenants } of this.#held.values()) if (mayUse(tenant, tenants)) yield connection;
  }

  #schedule(agent: Agent): void {
    const exits = agent.newestFirst[0]?.exits ?? [];
    if (exits === agent.scheduled) return;
    for (const exit of agent.scheduled) this.#view.remove(exit);
    for (const exit of exits) this.#view.add(exit);
    agent.scheduled = exits;
  }

  /** A tenant that gains or loses an agent sees it come or go. */
  #tell(
    connection: FleetConnection,
    before: ReadonlySet<string> | undefined,
    after: ReadonlySet<string> | undefined,
  ): void {
    for (const { tenant, watch } of this.#watchers) {
      const saw = mayUse(tenant, before);
      const sees = mayUse(tenant, after);
      if (saw && sees) watch.updated(connection);
      else if (sees) watch.added(connection);
      else if (saw) watch.removed(connection);
    }
  }
}

function others(agent: Agent, connectionId: string): FleetConnection[] {
  return agent.newestFirst.filter((connection) => connection.connectionId !== connectionId);
}

function mayUse(tenant: string, tenants: ReadonlySet<string> | undefined): boolean {
  return tenants !== undefined && (tenants.size === 0 || tenants.has(tenant));
}

function toRecord(connection: FleetConnection): AgentRecord {
  return {
    connectionId: connection.connectionId,
    agentId: connection.agentId,
    status: statusOf(connection),
    connectedAt: connection.connectedAt,
    lastHeartbeat: connection.lastHeartbeat,
    podId: connection.podId,
    version: connection.version,
    exits: connection.exits.map((exit) => exit.toRecord()),
    metadata: connection.metadata,
  };
}

function statusOf({ draining, exits }: FleetConnection): AgentStatus {
  if (draining) return 'draining';
  return exits.some((exit) => exit.open && exit.inFlight < exit.capacity) ? 'available' : 'busy';
}
