// Who holds which exit: what the channel tells the fleet about the connections of this pod.
import type { LiveExit } from './live-exit.ts';

/** One connection of an agent. The registry reads it whenever it is asked; its owner changes it and says so. */
export interface FleetConnection {
  readonly connectionId: string;
  readonly agentId: string;
  readonly podId: string;
  /** Orders the connections of one agent id: the highest takes new jobs. */
  readonly epoch: number;
  /** Unix milliseconds. */
  readonly connectedAt: number;
  readonly lastHeartbeat: number;
  /** Its exits say so too. */
  readonly draining: boolean;
  readonly version: string;
  /** Replaced as a whole when the agent offers another list. */
  readonly exits: readonly LiveExit[];
  /** Tenants that may use the agent; empty means all. */
  readonly tenants: ReadonlySet<string>;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Registry {
  /** A connection was welcomed, or its exits or its draining changed. */
  put(connection: FleetConnection): void;
  /** A connection ended. Its exits stay when a newer connection of the same agent offers them. */
  remove(connectionId: string): void;
}
