// One attempt on a stream, to an agent of this pod or to the pod that holds it, seen as an HTTP exchange. It ends once,
// whichever of answer, failure and cancelling comes first, and gives its place on the exit back then.
import { type OpenOk, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import type { OpenedStream } from '../../wire/stream-api.ts';
import { AttemptFailure } from '../failure/failures.ts';
import { headFault } from './answer-head.ts';
import type { ArrivingBody, CancelReason, Exchange, ExchangeHead, ExchangeTimings } from './link.ts';
import { attemptFailure, type Speaker } from './stream-failure.ts';

/** Who counts the exchange. */
export interface ExchangeOwner {
  /** Who answers on the stream. */
  readonly speaker: Speaker;
  /** No answer may be handed out any more: its agent was replaced or lost its key. */
  readonly fenced: boolean;
  release(): void;
}

const noTimings: ExchangeTimings = { dnsUs: 0, connectUs: 0, tlsUs: 0, firstByteUs: 0 };
const ignore = (): void => {};

export class StreamExchange implements Exchange {
  readonly head: Promise<ExchangeHead>;
  readonly #stream: OpenedStream;
  readonly #owner: ExchangeOwner;
  /** Bytes of answer that may still come. */
  #allowance: number;
  #answered = false;
  #over = false;

  /** `maxResponseBytes` 0 is no bound. */
  constructor(stream: OpenedStream, owner: ExchangeOwner, maxResponseBytes: number) {
    this.#stream = stream;
    this.#owner = owner;
    this.#allowance = maxResponseBytes === 0 ? Number.POSITIVE_INFINITY : maxResponseBytes;
    this.head = stream.head.then(
      (head) => this.#onHead(head),
      (error: unknown) => this.#onError(error),
    );
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#stream.read().then(
      (bytes) => this.#onBytes(bytes),
      (error: unknown) => this.#onError(error),
    );
  }

  cancel(reason: CancelReason): void {
    if (this.#over) return;
    this.#stream.reset(reason === 'deadline' ? ResetCode.DEADLINE : ResetCode.CANCELLED);
    this.#finish();
  }

  #onHead(head: OpenOk): ExchangeHead {
    this.#refuseWhenFenced();
    const fault = headFault(head);
    const { speaker } = this.#owner;
    if (fault)
      return this.#abort(new AttemptFailure('INTERNAL', 'POSSIBLE', { cause: new Error(`${speaker}: ${fault}`) }));
    this.#answered = true;
    this.#spend(head.body.length);
    if (head.end) this.#finish();
    const { statusCode, headers, finalUrl, timings = noTimings, body, end } = head;
    // Agents name no exits: an agent's id is never read from a frame of its own.
    const exitId = speaker === 'pod' ? head.exitId : '';
    return { statusCode, headers, finalUrl, timings, body, end, exitId };
  }

  #onBytes(bytes: Uint8Array | undefined): Uint8Array | undefined {
    this.#refuseWhenFenced();
    if (bytes) this.#spend(bytes.length);
    else this.#finish();
    return bytes;
  }

  #onError(error: unknown): never {
    return this.#fail(attemptFailure(error, this.#answered, this.#owner.speaker));
  }

  #refuseWhenFenced(): void {
    if (this.#owner.fenced) this.#abort(new AttemptFailure('AGENT_LOST', 'POSSIBLE'));
  }

  /** The other end keeps this bound; one that does not is not listened to any longer. */
  #spend(bytes: number): void {
    this.#allowance -= bytes;
    if (this.#allowance < 0) this.#abort(new AttemptFailure('RESPONSE_TOO_LARGE', 'DONE'));
  }

  #abort(failure: AttemptFailure): never {
    this.#stream.reset(ResetCode.CANCELLED);
    return this.#fail(failure);
  }

  #fail(failure: AttemptFailure): never {
    // Whoever cancelled may no longer wait for the head.
    this.head.catch(ignore);
    this.#finish();
    throw failure;
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#owner.release();
  }
}

/** Sends the rest of a request as it arrives, and no faster than the stream takes it. */
export async function sendRest(rest: ArrivingBody, stream: OpenedStream): Promise<void> {
  try {
    for (let bytes = await rest.read(); bytes; bytes = await rest.read()) {
      if (!stream.write(bytes)) await stream.writable();
    }
    stream.end();
  } catch {
    // Half a request must not look like a whole one.
    stream.reset(ResetCode.FAILED);
  }
}
