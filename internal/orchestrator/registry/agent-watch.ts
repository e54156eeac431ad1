// What one watcher of the fleet has still to be told. At most one change waits per connection, however slow the
// watcher: what happens twice to a connection is told once.
import type { AgentChange, AgentRecord } from './agents.ts';
import type { FleetConnection } from './registry.ts';

type Pending =
  /** Told with the record as it is when the watcher asks. */
  | { readonly type: 'added' | 'updated'; readonly connection: FleetConnection }
  | { readonly type: 'removed'; readonly agent: AgentRecord }
  | { readonly type: 'synced' };

export class AgentWatch {
  readonly #toRecord: (connection: FleetConnection) => AgentRecord;
  /** By connection id, in the order of telling; `synced` stands under the empty id. */
  readonly #pending = new Map<string, Pending>();
  #wake: (() => void) | undefined;

  constructor(present: Iterable<FleetConnection>, toRecord: (connection: FleetConnection) => AgentRecord) {
    this.#toRecord = toRecord;
    for (const connection of present) this.#pending.set(connection.connectionId, { type: 'added', connection });
    this.#pending.set('', { type: 'synced' });
  }

  added(connection: FleetConnection): void {
    const wasRemoved = this.#pending.has(connection.connectionId);
    this.#put(connection.connectionId, { type: wasRemoved ? 'updated' : 'added', connection });
  }

  updated(connection: FleetConnection): void {
    const untold = this.#pending.get(connection.connectionId)?.type === 'added';
    this.#put(connection.connectionId, { type: untold ? 'added' : 'updated', connection });
  }

  removed(connection: FleetConnection): void {
    const untold = this.#pending.get(connection.connectionId)?.type === 'added';
    if (untold) this.#pending.delete(connection.connectionId);
    else this.#put(connection.connectionId, { type: 'removed', agent: this.#toRecord(connection) });
  }

  /** Ends when the signal aborts. */
  async *changes(signal: AbortSignal): AsyncGenerator<AgentChange, void, undefined> {
    const wake = () => this.#wake?.();
    signal.addEventListener('abort', wake);
    try {
      while (!signal.aborted) {
        const change = this.#take();
        if (change) yield change;
        else await new Promise<void>((resolve) => (this.#wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  #put(connectionId: string, pending: Pending): void {
    this.#pending.set(connectionId, pending);
    this.#wake?.();
  }

  #take(): AgentChange | undefined {
    for (const [connectionId, pending] of this.#pending) {
      this.#pending.delete(connectionId);
      return 'connection' in pending ? { type: pending.type, agent: this.#toRecord(pending.connection) } : pending;
    }
    return undefined;
  }
}
