// How the owner of a connection and its mux talk: settings in, control frames and streams out.
import type { Frame } from '../../gen/resproxy/v1/channel_pb.ts';
import type { Clock, Random } from '../kit/clock.ts';
import type { TimerWheel } from '../kit/timer-wheel.ts';
import type { BufferBudget } from './budget.ts';
import type { HeaderField } from './http-rules.ts';
import type { AcceptedStream } from './stream-api.ts';
import type { ConnectionEnd, FrameTransport } from './transport.ts';

type Body = Frame['body'];
/** The frames of stream 0 that are the owner's business; PING, PONG and CREDIT are the mux's. */
export type ControlBody = AgentControl | PeerControl;
/** Between an agent and its pod. */
type AgentControl = Extract<Body, { case: 'hello' | 'welcome' | 'exits' | 'drain' | 'drainAck' | 'goAway' }>;
/** Between pods; on an agent's connection they are out of place. */
type PeerControl = Extract<Body, { case: 'peerHello' | 'agentOrder' | 'agentOrderDone' }>;

/** What HELLO and WELCOME settled, seen from this end. */
export interface Agreement {
  /** Bytes this end may send per stream before credit; an acceptor gets it per OPEN instead and passes 0. */
  readonly peerStreamWindow: number;
  /** Bytes this end may send on the connection before credit. */
  readonly peerConnectionWindow: number;
  /** What this end announced for the connection. */
  readonly ownConnectionWindow: number;
  readonly maxStreams: number;
  readonly idlePingMs: number;
  readonly busyPingMs: number;
  readonly idleDeadMs: number;
  readonly busyDeadMs: number;
}

/** The level at which a sender had to wait. */
export type BlockedLevel = 'stream' | 'connection' | 'socket';

/** Counts for metrics; every method is called on the hot path and must be cheap. */
export interface MuxObserver {
  bytes(direction: 'in' | 'out', bytes: number): void;
  rtt(ms: number): void;
  reset(code: number, by: 'us' | 'peer'): void;
  blocked(level: BlockedLevel, ms: number): void;
}

/** A pod opens streams to its agents and to the pods it dialled; agents, and pods that were dialled, accept them. */
export type MuxRole = 'opener' | 'acceptor';

export interface MuxOptions {
  readonly role: MuxRole;
  readonly transport: FrameTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly wheel: TimerWheel;
  readonly budget: BufferBudget;
  readonly observer: MuxObserver;
  /** Bytes of control frames that may wait for the socket, where those of limits.ts are too few. */
  readonly maxControlQueueBytes?: number;
  readonly onControl: (body: ControlBody) => void;
  /** The acceptor's: a stream was opened. */
  readonly onStream?: (stream: AcceptedStream) => void;
  /** A fault of the protocol ends the connection; the owner may close it itself, and the mux does otherwise. */
  readonly onFault?: (code: number, reason: string) => void;
  /** Exactly once, when the transport is closed, after every stream has failed. */
  readonly onEnd: (end: ConnectionEnd) => void;
}

/** What the opener says of a stream: the fields of OPEN; window, body and end are the mux's. */
export interface OpenRequest {
  readonly exit: string;
  readonly kind: { readonly case: 'http'; readonly value: HttpRequest } | { readonly case: undefined };
  readonly deadlineMs: number;
  readonly jobId: string;
  readonly attempt: number;
  readonly idempotent: boolean;
  readonly isolationKey: Uint8Array;
  readonly traceparent: string;
  /** Only between pods. */
  readonly relay?: RelayRequest | undefined;
}

/** The fields of HTTP_OPEN. */
export interface HttpRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly HeaderField[];
  readonly maxRedirects: number;
  readonly decompress: boolean;
  readonly maxResponseBytes: number;
}

/** The fields of RELAY. */
export interface RelayRequest {
  readonly tenant: string;
  readonly target: {
    readonly country: string;
    readonly region: string;
    readonly city: string;
    readonly asn: number;
    readonly exitId: string;
    readonly labels: ReadonlyMap<string, string>;
  };
  readonly triedExitIds: readonly string[];
}
