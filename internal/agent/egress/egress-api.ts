// What the uplink and the egress say to each other about one HTTP exchange. Callbacks, not promises: an answer that came
// in one packet is handed over in one tick, so that it can leave in one frame.
import type { Execution, FailureCode, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';

export interface Header {
  readonly name: string;
  /** Every code point is one byte on the wire. */
  readonly value: string;
}

export interface EgressRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly Header[];
  /** 0 hands a 3xx over. */
  readonly maxRedirects: number;
  readonly decompress: boolean;
  /** Of the body as handed over, decoded or not; 0 is no bound. */
  readonly maxResponseBytes: number;
  readonly deadlineMs: number;
  /** Connections, TLS sessions and their logins are shared only within one key. */
  readonly isolationKey: string;
  readonly idempotent: boolean;
  /** For the log. */
  readonly jobId?: string;
}

export interface RequestBody {
  /** The first bytes, possibly none. Nobody changes them afterwards. */
  readonly first: Uint8Array;
  /** `first` is all. */
  readonly end: boolean;
  /** Of the whole body, when it is known before its end. */
  readonly contentLength?: number;
  /** The next bytes, undefined at the end. It must settle when the exchange is over; rejecting breaks the request off. */
  read(): Promise<Uint8Array | undefined>;
}

/** In microseconds, of the hop that answered; 0 where a pooled connection spared the part. */
export interface EgressTimings {
  readonly dnsUs: number;
  readonly connectUs: number;
  readonly tlsUs: number;
  readonly firstByteUs: number;
}

export interface EgressHead {
  readonly statusCode: number;
  readonly headers: Header[];
  readonly finalUrl: string;
  readonly timings: EgressTimings;
}

export interface EgressFailure {
  readonly code: FailureCode;
  readonly refusal: RefusalReason;
  readonly execution: Execution;
}

/**
 * Never called before run() returns. At most one head, then data, then exactly one of end and fail; fail may come
 * without a head. Nothing after abort().
 */
export interface EgressSink {
  head(head: EgressHead): void;
  /** False: pause until resume(). A little more may come, of what was read already. */
  data(bytes: Uint8Array): boolean;
  end(): void;
  fail(failure: EgressFailure): void;
}

export interface EgressExchange {
  /** The sink takes data again. */
  resume(): void;
  /** Ends it down to the socket. After the end it does nothing. */
  abort(): void;
}
