// One job on its stream: what the egress tells goes out as the answer. A small answer leaves as one frame, so its head
// is held until everything that is ready has run; the rest follows as fast as the pod takes it.
import { type HttpOpen, type Open, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { limits } from '../../wire/limits.ts';
import type { AcceptedStream, AcceptHead } from '../../wire/stream-api.ts';
import type {
  EgressExchange,
  EgressFailure,
  EgressHead,
  EgressRequest,
  EgressSink,
  RequestBody,
} from '../egress/egress-api.ts';
import type { Exit } from './exits.ts';

/** What the uplink asks of the egress. */
export interface HttpRunner {
  run(request: EgressRequest, body: RequestBody, sink: EgressSink): EgressExchange;
}

type State =
  | { readonly kind: 'waiting' }
  /** The origin answered; `body` is what came of it since. */
  | { readonly kind: 'held'; readonly head: EgressHead; readonly body: Uint8Array[]; bytes: number }
  | { readonly kind: 'answering' }
  | { readonly kind: 'over' };

const waiting: State = { kind: 'waiting' };
const answering: State = { kind: 'answering' };
const over: State = { kind: 'over' };
const nothing = new Uint8Array();

export class ServedStream implements EgressSink {
  /** Whose slot it takes. */
  readonly exit: Exit;
  readonly #stream: AcceptedStream;
  readonly #onOver: (served: ServedStream) => void;
  #state: State = waiting;
  #run: EgressExchange | undefined;
  #paused = false;

  /** `onOver` is called once, as soon as the job takes nothing of this machine any more. */
  constructor(stream: AcceptedStream, exit: Exit, onOver: (served: ServedStream) => void) {
    this.exit = exit;
    this.#stream = stream;
    this.#onOver = onOver;
  }

  start(runner: HttpRunner, http: HttpOpen): void {
    this.#run = runner.run(toRequest(this.#stream.open, http), new StreamedBody(this.#stream), this);
    this.#stream.onAbort(() => this.#stop());
  }

  /** Ends the job because this agent has no time left for it. */
  cut(): void {
    this.#stream.reset(ResetCode.SHUTDOWN);
    this.#stop();
  }

  // What the egress tells.

  head(head: EgressHead): void {
    this.#state = { kind: 'held', head, body: [], bytes: 0 };
    setImmediate(() => {
      if (this.#state.kind === 'held') this.#answer(this.#state);
    });
  }

  data(bytes: Uint8Array): boolean {
    const state = this.#state;
    if (state.kind !== 'held') return this.#write(bytes);
    state.body.push(bytes);
    state.bytes += bytes.length;
    return state.bytes <= limits.maxInlineBodyBytes || this.#answer(state);
  }

  end(): void {
    const state = this.#state;
    if (state.kind === 'held') this.#stream.accept(answerHead(state.head, joined(state.body), true));
    else this.#stream.end();
    this.#leave();
  }

  fail(failure: EgressFailure): void {
    if (this.#state.kind === 'answering') this.#stream.reset(ResetCode.FAILED, failure.code);
    else this.#stream.refuse(failure);
    this.#leave();
  }

  /** Too late, or too large, for one frame. */
  #answer({ head, body, bytes }: Extract<State, { kind: 'held' }>): boolean {
    const inline = bytes <= limits.maxInlineBodyBytes;
    this.#state = answering;
    this.#stream.accept(answerHead(head, inline ? joined(body) : nothing, false));
    let goOn = true;
    if (!inline) for (const chunk of body) goOn = this.#write(chunk);
    return goOn;
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#stream.write(bytes)) return true;
    if (this.#paused) return false;
    this.#paused = true;
    void this.#stream.writable().then(() => {
      this.#paused = false;
      this.#run?.resume();
    });
    return false;
  }

  /** The pod reset the stream, or the connection is gone. */
  #stop(): void {
    if (this.#state.kind === 'over') return;
    this.#run?.abort();
    this.#leave();
  }

  #leave(): void {
    this.#state = over;
    this.#onOver(this);
  }
}

/** The request's body as the pod sends it. */
class StreamedBody implements RequestBody {
  readonly first: Uint8Array;
  readonly end: boolean;
  readonly contentLength?: number;
  readonly #stream: AcceptedStream;

  constructor(stream: AcceptedStream) {
    const { body, end, bodyBytes } = stream.open;
    this.first = body;
    this.end = end;
    if (bodyBytes !== undefined) this.contentLength = bodyBytes;
    this.#stream = stream;
  }

  read(): Promise<Uint8Array | undefined> {
    return this.#stream.read();
  }
}

function toRequest(open: Open, http: HttpOpen): EgressRequest {
  const { buffer, byteOffset, length } = open.isolationKey;
  return {
    method: http.method,
    url: http.url,
    headers: http.headers,
    maxRedirects: http.maxRedirects,
    decompress: http.decompress,
    maxResponseBytes: Number(http.maxResponseBytes),
    deadlineMs: open.deadlineMs,
    isolationKey: Buffer.from(buffer, byteOffset, length).toString('latin1'),
    idempotent: open.idempotent,
    jobId: open.jobId,
  };
}

function answerHead(head: EgressHead, body: Uint8Array, end: boolean): AcceptHead {
  return {
    statusCode: head.statusCode,
    headers: head.headers,
    finalUrl: head.finalUrl,
    timings: head.timings,
    body,
    end,
  };
}

function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}
