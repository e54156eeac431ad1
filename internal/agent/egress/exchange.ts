// One HTTP exchange of a job: its hops from redirect to redirect, and the one answer that is handed over, within the
// bounds that the request sets. It ends once, in #leave.
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import { planAnswer } from './answer.ts';
import { type DecodedSink, Decoder } from './decoder.ts';
import type { EgressExchange, EgressFailure, EgressRequest, EgressSink, EgressTimings, Header } from './egress-api.ts';
import { executionOf, failure, isConnectionLoss, type Progress, translate } from './failures.ts';
import { readHeaders } from './head.ts';
import { Hop, type HopOwner } from './hop.ts';
import type { Freshness, Lanes } from './lanes.ts';
import { hopRequest, type Outgoing } from './outgoing.ts';
import { isRedirect, nextRequest } from './redirect.ts';
import { Upload } from './upload.ts';

export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'failed'; readonly failure: EgressFailure; readonly cause: unknown };

/** What an exchange shares with the others. */
export interface ExchangeHost {
  readonly lanes: Lanes;
  readonly clock: Clock;
  /** Exactly once. */
  onOver(exchange: Exchange, outcome: Outcome): void;
}

type State =
  | { readonly kind: 'waiting' }
  /** The answer was a redirect, and its own body is read away. */
  | { readonly kind: 'redirecting'; readonly next: Outgoing; readonly cancelTimer: CancelTimer; drainedBytes: number }
  | { readonly kind: 'answering'; readonly decoder: Decoder | undefined }
  | { readonly kind: 'over' };

const waiting: State = { kind: 'waiting' };
const over: State = { kind: 'over' };

/** A redirect's own body is read so far, and for so long, to keep its connection. */
const maxDrainBytes = 64 * 1024;
const maxDrainMs = 250;

export class Exchange implements EgressExchange, HopOwner, DecodedSink {
  readonly request: EgressRequest;
  readonly #host: ExchangeHost;
  readonly #sink: EgressSink;
  readonly #cancelDeadline: CancelTimer;
  #state: State = waiting;
  #outgoing: Outgoing;
  readonly #upload: Upload | undefined;
  #hop: Hop | undefined;
  /** Some hop began to write its request. */
  #sent = false;
  #redirects = 0;
  #statusCode = 0;
  #bodyBytes = 0;

  constructor(host: ExchangeHost, request: EgressRequest, outgoing: Outgoing, sink: EgressSink) {
    this.request = request;
    this.#host = host;
    this.#outgoing = outgoing;
    this.#upload = outgoing.body instanceof Upload ? outgoing.body : undefined;
    this.#sink = sink;
    this.#cancelDeadline = host.clock.after(request.deadlineMs, () => this.fail(FailureCode.DEADLINE_EXCEEDED));
  }

  /** For the log: never a path, a header or a body. */
  get summary() {
    const host = this.#outgoing.target.authority;
    return { jobId: this.request.jobId, host, status: this.#statusCode, bytes: this.#bodyBytes };
  }

  start(): void {
    if (this.#state.kind === 'waiting') this.#send(this.#freshness());
  }

  resume(): void {
    if (this.#state.kind !== 'answering') return;
    if (this.#state.decoder) this.#state.decoder.resume();
    else this.#hop?.resume();
  }

  abort(): void {
    this.#leave({ kind: 'aborted' });
  }

  /** Ends it with what is known about execution. */
  fail(code: FailureCode): void {
    this.#fail(failure(code, executionOf(this.#progress)), undefined);
  }

  /** Whether a byte of the job may have left, on any hop. */
  get sent(): boolean {
    return this.#sent || (this.#hop?.sent ?? false);
  }

  get #progress(): Progress {
    if (this.#state.kind === 'answering') return 'answered';
    return this.sent ? 'sent' : 'unsent';
  }

  /**
   * An idle connection may close under a request. What can be sent again risks it; what cannot takes a connection that
   * was in use just now, or a new one.
   */
  #freshness(): Freshness {
    return this.request.idempotent && !(this.#outgoing.body instanceof Upload) ? 'any' : 'recent';
  }

  #send(freshness: Freshness): void {
    const { lanes, clock } = this.#host;
    const lane = lanes.take(this.request.isolationKey, this.#outgoing.target, freshness);
    this.#sent = this.sent;
    this.#state = waiting;
    this.#hop = new Hop(lane, lanes, clock, this);
    this.#hop.send(hopRequest(this.#outgoing, this.request.decompress));
  }

  onHead(statusCode: number, rawHeaders: readonly Buffer[], timings: EgressTimings): void {
    const headers = readHeaders(rawHeaders);
    const next = this.request.maxRedirects > 0 && isRedirect(statusCode) ? this.#next(statusCode, headers) : undefined;
    if (next) this.#redirect(next);
    else this.#answer(statusCode, headers, timings);
  }

  /** Undefined also when the body should go along and is no longer there. */
  #next(statusCode: number, headers: readonly Header[]): Outgoing | undefined {
    const next = nextRequest(this.#outgoing, statusCode, headers);
    if (!next) return undefined;
    const body = next.keepsBody ? this.#outgoing.body : null;
    return body instanceof Upload && !body.replayable ? undefined : { ...next, body };
  }

  #redirect(next: Outgoing): void {
    if (this.#redirects === this.request.maxRedirects) {
      this.#fail(failure(FailureCode.REDIRECT_LIMIT, Execution.DONE), undefined);
      return;
    }
    this.#redirects++;
    const cancelTimer = this.#host.clock.after(maxDrainMs, () => this.#follow());
    this.#state = { kind: 'redirecting', next, cancelTimer, drainedBytes: 0 };
  }

  #follow(): void {
    if (this.#state.kind !== 'redirecting') return;
    this.#state.cancelTimer();
    this.#hop?.cancel();
    this.#outgoing = this.#state.next;
    this.#send(this.#freshness());
  }

  #answer(statusCode: number, answered: Header[], timings: EgressTimings): void {
    const { method, target } = this.#outgoing;
    const plan = planAnswer(this.request, method, statusCode, answered);
    if (plan.kind === 'refuse') {
      this.#fail(failure(plan.code, Execution.DONE), undefined);
      return;
    }
    const { headers, codings } = plan;
    const decoder = codings.length > 0 ? new Decoder(codings, this, () => this.#hop?.resume()) : undefined;
    this.#state = { kind: 'answering', decoder };
    this.#statusCode = statusCode;
    this.#sink.head({ statusCode, headers, finalUrl: target.url, timings });
  }

  onData(bytes: Uint8Array): void {
    const state = this.#state;
    if (state.kind === 'redirecting') {
      state.drainedBytes += bytes.length;
      if (state.drainedBytes > maxDrainBytes) this.#follow();
    } else if (state.kind === 'answering') {
      const goOn = state.decoder ? state.decoder.write(bytes) : this.data(bytes);
      if (!goOn) this.#hop?.pause();
    }
  }

  onEnd(): void {
    if (this.#state.kind === 'redirecting') this.#follow();
    else if (this.#state.kind === 'answering' && this.#state.decoder) this.#state.decoder.end();
    else this.end();
  }

  onError(error: unknown): void {
    if (this.#state.kind === 'redirecting') this.#follow();
    else if (this.#mayRetry(error)) this.#send('new');
    else this.#fail(translate(error, this.#progress), error);
  }

  /** When a kept connection closed before it gave any answer, if that does no harm; once, for the next is a new one. */
  #mayRetry(error: unknown): boolean {
    const hop = this.#hop;
    if (this.#state.kind !== 'waiting' || !hop?.reused || !isConnectionLoss(error)) return false;
    const { body } = this.#outgoing;
    return !hop.sent || (this.request.idempotent && !(body instanceof Upload && !body.replayable));
  }

  /** Bytes of the body, decoded if they were to be. */
  data(bytes: Uint8Array): boolean {
    if (this.#state.kind !== 'answering') return true;
    this.#bodyBytes += bytes.length;
    const { maxResponseBytes } = this.request;
    if (maxResponseBytes === 0 || this.#bodyBytes <= maxResponseBytes) return this.#sink.data(bytes);
    this.fail(FailureCode.RESPONSE_TOO_LARGE);
    return true;
  }

  end(): void {
    if (this.#leave({ kind: 'done' })) this.#sink.end();
  }

  #fail(why: EgressFailure, cause: unknown): void {
    if (this.#leave({ kind: 'failed', failure: why, cause })) this.#sink.fail(why);
  }

  /** Says whether this was the end. */
  #leave(outcome: Outcome): boolean {
    const state = this.#state;
    if (state.kind === 'over') return false;
    if (state.kind === 'redirecting') state.cancelTimer();
    if (state.kind === 'answering') state.decoder?.destroy();
    this.#state = over;
    this.#cancelDeadline();
    this.#hop?.cancel();
    this.#upload?.dispose();
    this.#host.onOver(this, outcome);
    return true;
  }
}
