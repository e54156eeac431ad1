// How a connection and those around it talk: what it is given, who decides about it, and what it may be told.
import type { Clock, Random } from '../../kit/clock.ts';
import type { TimerWheel } from '../../kit/timer-wheel.ts';
import type { BufferBudget } from '../../wire/budget.ts';
import type { MuxObserver } from '../../wire/mux-api.ts';
import type { ConnectionEnd, FrameTransport } from '../../wire/transport.ts';
import type { RandomBytes } from '../keys/key-format.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import type { FleetConnection } from '../registry/registry.ts';
import type { Greeting } from './hello.ts';
import type { Link } from './link.ts';

/** What the connections of a pod share. */
export interface ConnectionDeps {
  readonly podId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly randomBytes: RandomBytes;
  readonly wheel: TimerWheel;
  readonly budget: BufferBudget;
  readonly observer: MuxObserver;
}

/** An upgrade that was let in. */
export interface Arrival {
  readonly transport: FrameTransport;
  readonly policy: KeyPolicy;
  /** The agent's address as this pod sees it. */
  readonly observedAddress: string;
}

/** Which connection of its agent one is: from the key, from HELLO, and from the pod. */
export interface Identity extends Greeting {
  readonly agentId: string;
  readonly epoch: number;
}

export type Admission =
  | { readonly kind: 'welcome'; readonly epoch: number }
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string };

/** Who decides about connections and hears of their life; every call comes from the connection's own events. */
export interface ConnectionOwner {
  /** HELLO came. */
  admit(connection: WatchedConnection, agentId: string, greeting: Greeting): Admission;
  /** WELCOME is out: it takes jobs. */
  welcomed(connection: WatchedConnection): void;
  /** Its exits, its tenants or its draining changed. */
  changed(connection: WatchedConnection): void;
  /** Exactly once; nothing of it reaches this pod any more. */
  ended(connection: WatchedConnection, end: ConnectionEnd): void;
}

export interface DrainOrder {
  readonly graceMs: number;
  /** The agent picks the moment to dial within this time. */
  readonly spreadMs: number;
  /** Whether it still gets jobs here until it has another pod. */
  readonly keepServing: boolean;
}

/** A connection as its owner sees it. */
export interface WatchedConnection extends FleetConnection {
  readonly keyId: string;
  readonly maxAgents: number;
  /** Undefined before HELLO. */
  readonly identity: Identity | undefined;
  /** It was told to go, or said so itself. */
  readonly leaving: boolean;
  linkTo(exitName: string): Link | undefined;
  /** Its place among the connections of its agent is known now, or is another. */
  rank(epoch: number): void;
  /** The policy of its key changed. */
  changePolicy(policy: KeyPolicy): void;
  /** Asks the agent to take its work elsewhere. False when it is leaving already. */
  drain(order: DrainOrder): boolean;
  /** Nothing more will be sent to a connection that drains: it may end with its last exchange. */
  release(): void;
  /** The grace is over: tells the agent so and ends it. */
  sayGoodbye(): void;
  /** Ends it at once, its exchanges first. */
  close(code: number, reason: string): void;
  /** Closes it, and hands out no answer of its jobs any more, not even one that is here already. */
  fence(code: number, reason: string): void;
}
