// The fleet as one pod sees it, in its memory: the connections for whoever asks, and in the views the exits that take
// jobs. Of several connections of one agent the newest counts; an older one comes back when the newer ends first.

import { AgentWatch } from './agent-watch.ts';
import type { AgentChange, AgentDirectory, AgentRecord, AgentStatus } from './agents.ts';
import type { FleetView } from './fleet-view.ts';
import { NewestFirst } from './newest-first.ts';
import type { FleetConnection, Registry } from './registry.ts';

export interface MemoryRegistryOptions {
  readonly podId: string;
  /** Every exit, wherever its agent is connected. */
  readonly fleet: FleetView;
  /** Those of this pod's own connections, for jobs that other pods send here. */
  readonly localFleet: FleetView;
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
  readonly #podId: string;
  readonly #everywhere: NewestFirst;
  readonly #here: NewestFirst;
  readonly #held = new Map<string, Held>();
  readonly #watchers = new Set<Watcher>();

  constructor({ podId, fleet, localFleet }: MemoryRegistryOptions) {
    this.#podId = podId;
    this.#everywhere = new NewestFirst(fleet);
    this.#here = new NewestFirst(localFleet);
  }

  put(connection: FleetConnection): void {
    const before = this.#held.get(connection.connectionId)?.tenants;
    this.#held.set(connection.connectionId, { connection, tenants: connection.tenants });
    this.reorder(connection);
    this.#tell(connection, before, connection.tenants);
  }

  remove(connectionId: string): void {
    const held = this.#held.get(connectionId);
    if (!held) return;
    const { connection, tenants } = held;
    this.#held.delete(connectionId);
    this.#everywhere.remove(connection);
    if (this.#isOwn(connection)) this.#here.remove(connection);
    this.#tell(connection, tenants, undefined);
  }

  /** The epoch of a connection that was put is another now: nothing that a watcher sees. */
  reorder(connection: FleetConnection): void {
    if (this.#held.get(connection.connectionId)?.connection !== connection) return;
    this.#everywhere.put(connection);
    if (this.#isOwn(connection)) this.#here.put(connection);
  }

  /** The newest first. */
  connectionsOf(agentId: string): readonly FleetConnection[] {
    return this.#everywhere.of(agentId);
  }

  newestEpoch(agentId: string): number {
    return this.connectionsOf(agentId)[0]?.epoch ?? 0;
  }

  knows(agentId: string): boolean {
    return this.connectionsOf(agentId).length > 0;
  }

  agentsOf(keyName: string): number {
    return this.agentCounts.get(keyName) ?? 0;
  }

  /** How many agents each key has in the fleet. */
  get agentCounts(): ReadonlyMap<string, number> {
    return this.#everywhere.agentCounts;
  }

  /** Every connection of this pod, whoever may use it: for metrics, never for a caller. */
  *own(): Generator<AgentRecord, void, undefined> {
    for (const { connection } of this.#held.values()) if (this.#isOwn(connection)) yield toRecord(connection);
  }

  list(tenant: string): readonly AgentRecord[] {
    return Array.from(this.#visibleTo(tenant), toRecord);
  }

  get(tenant: string, agentId: string): AgentRecord | undefined {
    const connection = this.connectionsOf(agentId).find(({ tenants }) => mayUse(tenant, tenants));
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

  #isOwn({ podId }: FleetConnection): boolean {
    return podId === this.#podId;
  }

  *#visibleTo(tenant: string): Generator<FleetConnection, void, undefined> {
    for (const { connection, tenants } of this.#held.values()) if (mayUse(tenant, tenants)) yield connection;
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
