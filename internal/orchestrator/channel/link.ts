// What dispatch asks of the way to an exit: local when its agent's connection is on this pod, a peer's otherwise.
// The answer is the return value; cancelling goes forward.
import type { Target } from '../route/candidate.ts';

export interface Header {
  readonly name: string;
  readonly value: string;
}

/** The HTTP request of a job, validated at intake. */
export interface OutboundRequest {
  readonly method: string;
  /** As the caller wrote it; parsed and bounded already. */
  readonly url: string;
  readonly headers: readonly Header[];
  /** The whole of it; its beginning when the request is still arriving. */
  readonly body: Uint8Array;
  /** 0 hands a 3xx back. */
  readonly maxRedirects: number;
  readonly decompress: boolean;
  /** 0 is no bound. */
  readonly maxResponseBytes: number;
}

/** The rest of a request's body, while it arrives from another pod. */
export interface ArrivingBody {
  /** How long the whole body is, its beginning included. */
  readonly totalBytes: number;
  /** The next bytes, undefined at the end; rejects when the rest will not come. */
  read(): Promise<Uint8Array | undefined>;
}

/** One attempt on one exit. */
export interface ExchangeRequest {
  readonly exitId: string;
  /** What the caller asked of the exit, and the exits that the job was sent to before: another pod may have to choose. */
  readonly target: Target;
  readonly tried: readonly string[];
  readonly jobId: string;
  /** Counted from 1. */
  readonly attempt: number;
  readonly tenant: string;
  readonly request: OutboundRequest;
  readonly idempotent: boolean;
  /** What is left of the job's time. */
  readonly deadlineMs: number;
  readonly traceparent: string;
  readonly rest?: ArrivingBody;
}

export interface ExchangeTimings {
  readonly dnsUs: number;
  readonly connectUs: number;
  readonly tlsUs: number;
  readonly firstByteUs: number;
}

export interface ExchangeHead {
  readonly statusCode: number;
  readonly headers: readonly Header[];
  readonly finalUrl: string;
  readonly timings: ExchangeTimings;
  /** The first bytes of the body. */
  readonly body: Uint8Array;
  /** Nothing follows. */
  readonly end: boolean;
  /** The exit that answered, when its pod put it in place of the one that was asked; empty otherwise. */
  readonly exitId: string;
}

export type CancelReason = 'cancelled' | 'deadline';

export interface Exchange {
  /** Rejects with an AttemptFailure when there is no answer. */
  readonly head: Promise<ExchangeHead>;
  /** The next bytes after head.body, undefined at the end; rejects with an AttemptFailure when the answer breaks off. */
  read(): Promise<Uint8Array | undefined>;
  /** Ends the exchange down to the origin. After the end it does nothing. */
  cancel(reason: CancelReason): void;
}

export interface Link {
  /**
   * Admits and sends in one synchronous step, so that an exit is never promised twice. Throws an AttemptFailure
   * with execution NOT_STARTED: EXIT_BUSY at the limit, EXIT_REFUSED when paused, AGENT_DISCONNECTED when it is gone.
   */
  open(request: ExchangeRequest): Exchange;
}

/** Finds the way to an exit; undefined when this pod knows none. */
export interface LinkDirectory {
  linkTo(exitId: string): Link | undefined;
}
