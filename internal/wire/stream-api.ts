// What the two ends see of a stream: one exchange on a connection, with a body each way under credit.
import type { Open, OpenErr, OpenOk, ResetCode } from '../../gen/resproxy/v1/channel_pb.ts';
import type { FailureCode } from '../../gen/resproxy/v1/failure_pb.ts';
import type { ConnectionEnd } from './transport.ts';

/** Why a stream ended before both halves were over. */
export type StreamEnd =
  | { readonly kind: 'refused'; readonly error: OpenErr }
  | { readonly kind: 'reset'; readonly code: ResetCode; readonly failure: FailureCode; readonly local: boolean }
  /** The connection ended. `sent`: whether the stream's OPEN had been handed to the transport. */
  | { readonly kind: 'lost'; readonly end: ConnectionEnd; readonly sent: boolean };

export class StreamError extends Error {
  override readonly name = 'StreamError';
  readonly end: StreamEnd;

  constructor(end: StreamEnd) {
    super(`stream ${end.kind}`);
    this.end = end;
  }
}

export interface Stream {
  readonly id: number;
  /**
   * The next bytes of the other end's body, undefined at its end; rejects with a StreamError. Taking them gives credit
   * back. One read at a time.
   */
  read(): Promise<Uint8Array | undefined>;
  /**
   * Queues body bytes of any size, which nobody may change afterwards. False: pause until writable() resolves. After
   * the end it does nothing.
   */
  write(bytes: Uint8Array): boolean;
  /** Resolves when the queue is short again, or when the stream is over. */
  writable(): Promise<void>;
  /** Ends this end's body after what is queued. */
  end(): void;
  /** Ends the stream both ways at once and drops what is queued. After the end it does nothing. */
  reset(code: ResetCode, failure?: FailureCode): void;
}

/** The end that asks: a pod's. */
export interface OpenedStream extends Stream {
  /** The answer's head; rejects with a StreamError. */
  readonly head: Promise<OpenOk>;
}

/** The head of an answer as the acceptor gives it: the fields of OPEN_OK. */
export interface AcceptHead {
  readonly statusCode: number;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly finalUrl: string;
  readonly timings:
    | { readonly dnsUs: number; readonly connectUs: number; readonly tlsUs: number; readonly firstByteUs: number }
    | undefined;
  readonly body: Uint8Array;
  /** The whole answer: the stream is over. */
  readonly end: boolean;
  /** Only between pods. */
  readonly exitId?: string;
}

/** The fields of OPEN_ERR; all but the first three only between pods. */
export type RefusedOpen = Pick<OpenErr, 'code' | 'refusal' | 'execution'> &
  Partial<Pick<OpenErr, 'exitId' | 'relay' | 'freeCapacity'>>;

/** The end that answers: an agent's, or that of the pod that holds it. */
export interface AcceptedStream extends Stream {
  readonly open: Open;
  /** Sends the head; once, before any write. */
  accept(head: AcceptHead): void;
  /** Says that there is no answer; the stream is over. */
  refuse(error: RefusedOpen): void;
  /** Called once when the stream ends and this end did not ask for it: reset by the opener, shed, or lost. */
  onAbort(listener: (end: StreamEnd) => void): void;
}
