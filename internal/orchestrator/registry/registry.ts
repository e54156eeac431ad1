// Who holds which exit: what the channel tells the fleet about the connections of this pod, and what the fleet tells
// the channel of theirs.
import type { LiveExit } from './live-exit.ts';

/** One connection of an agent. The registry reads it whenever it is asked; its owner changes it and says so. */
export interface FleetConnection {
  readonly connectionId: string;
  readonly agentId: string;
  readonly podId: string;
  /** The agent's process, and which of its connections this is. */
  readonly instanceId: string;
  readonly connectSeq: bigint;
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

/** A newer connection of the same agent, on another pod. */
export type Rival = Pick<FleetConnection, 'podId' | 'instanceId' | 'connectSeq'>;

export interface Registry {
  /** A connection was welcomed, or its exits or its draining changed. */
  put(connection: FleetConnection): void;
  /** A connection ended. Its exits stay when a newer connection of the same agent offers them. */
  remove(connectionId: string): void;
  /** Of the newest connection of the agent, wherever it is; 0 when none is known. */
  newestEpoch(agentId: string): number;
  /** Whether the agent has a connection, wherever it is. */
  knows(agentId: string): boolean;
  /** How many agents have a connection with a key of that name, wherever it is. */
  agentsOf(keyName: string): number;
}

/** Who owns the connections of this pod hears here what the fleet makes of them. */
export interface FleetListener {
  /** The fleet has given the connection its place among all of its agent: its epoch was a guess until now. */
  ranked(connection: FleetConnection, epoch: number): void;
  /** The connection is not the newest of its agent any more. */
  newerElsewhere(connection: FleetConnection, rival: Rival): void;
}
