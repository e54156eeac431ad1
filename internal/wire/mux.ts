// Many streams over one connection, for both ends: routes frames, keeps the connection's windows and its life, and
// fails every stream when the connection ends. The rules stand in docs/CHANNEL.md.
import type { Frame, Open } from '../../gen/resproxy/v1/channel_pb.ts';
import { ResetCode } from '../../gen/resproxy/v1/channel_pb.ts';
import type { Clock } from '../kit/clock.ts';
import { AcceptorStream } from './acceptor-stream.ts';
import type { BufferBudget } from './budget.ts';
import { decodeFrame, encodeFrame, type FrameBodyInit, ProtocolError } from './codec.ts';
import { ReceiveWindow, SendCredit } from './credit.ts';
import { type ConnectionBody, isConnectionFrame, type StreamBody } from './frame-kinds.ts';
import { encodeOpenFrame } from './hot-frames.ts';
import { limits } from './limits.ts';
import { Liveness, type Watched } from './liveness.ts';
import type { Agreement, ControlBody, MuxObserver, MuxOptions, OpenRequest } from './mux-api.ts';
import { closeCode } from './names.ts';
import { OpenerStream } from './opener-stream.ts';
import { RoundTrip } from './rtt.ts';
import { type HandOver, Sender } from './sender.ts';
import type { BodyStream, StreamHost } from './stream.ts';
import type { OpenedStream } from './stream-api.ts';
import { StreamTable } from './stream-table.ts';
import type { ConnectionEnd, TransportListener } from './transport.ts';

/** Before HELLO and WELCOME only control frames flow; afterwards streams do; at the end nothing. */
type Phase =
  | { readonly name: 'greeting' }
  | {
      readonly name: 'open';
      readonly agreement: Agreement;
      readonly sender: Sender;
      readonly credit: SendCredit;
      readonly window: ReceiveWindow;
      readonly liveness: Liveness;
    }
  | { readonly name: 'ended' };

type OpenPhase = Extract<Phase, { name: 'open' }>;

/** The body of a request as far as it is here, and how long it will be. */
interface RequestBody {
  readonly body: Uint8Array;
  readonly bodyBytes: number;
}

/** RFC 6455 7.4.1: the fault is this end's. */
const internalError = 1011;
/** A close frame has room for 123 bytes. */
const maxReasonChars = 100;

export class Mux implements StreamHost, TransportListener, Watched {
  readonly clock: Clock;
  readonly budget: BufferBudget;
  readonly observer: MuxObserver;
  readonly rtt = new RoundTrip();
  readonly #options: MuxOptions;
  readonly #streams = new StreamTable();
  #phase: Phase = { name: 'greeting' };
  #lastInboundAt: number;

  constructor(options: MuxOptions) {
    this.#options = options;
    this.clock = options.clock;
    this.budget = options.budget;
    this.observer = options.observer;
    this.#lastInboundAt = options.clock.now();
    options.transport.attach(this);
  }

  // What the owner of the connection calls.

  /** HELLO and WELCOME are settled: streams and pings flow. */
  start(agreement: Agreement): void {
    if (this.#phase.name !== 'greeting') return;
    const { transport, random, wheel, maxControlQueueBytes } = this.#options;
    const credit = new SendCredit(agreement.peerConnectionWindow);
    const sender = new Sender(transport, credit, this.clock, this.observer, maxControlQueueBytes);
    const rule = {
      initialBytes: agreement.ownConnectionWindow,
      maxBytes: limits.maxConnectionWindowBytes,
      yieldsToQueue: true,
    };
    const window = new ReceiveWindow(rule, this.rtt, this.clock.now());
    const liveness = new Liveness(this, agreement, this.rtt, this.clock, random, wheel);
    this.#phase = { name: 'open', agreement, sender, credit, window, liveness };
    liveness.start();
  }

  send(body: ControlBody): void {
    if (this.#phase.name === 'ended') return;
    this.#send(encodeFrame(0, body));
  }

  /**
   * Opens a stream and sends its request; the opener's. Of a body of `bodyBytes` whoever opened the stream writes and
   * ends what is not in `body`. Throws when the connection takes no more.
   */
  open(request: OpenRequest, body: Uint8Array, bodyBytes = body.length): OpenedStream {
    const phase = this.#phase;
    if (phase.name !== 'open' || this.#options.role !== 'opener') throw new Error('the connection takes no streams');
    if (this.#streams.size >= phase.agreement.maxStreams) throw new Error('the connection has all its streams open');
    const id = this.#streams.nextId();
    if (id === undefined) {
      this.close(closeCode.restart, 'all stream ids are used');
      throw new Error('the connection has used all its stream ids');
    }
    this.#streams.claim(id);
    const ownBytes = this.#newStreamWindow();
    const stream = new OpenerStream(id, this, { ownBytes, peerBytes: phase.agreement.peerStreamWindow });
    this.#add(stream, phase);
    this.#sendRequest(stream, request, { body, bodyBytes }, ownBytes);
    return stream;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  get rttMs(): number | undefined {
    return this.rtt.lastMs;
  }

  get lastInboundAt(): number {
    return this.#lastInboundAt;
  }

  get bytesReceived(): number {
    return this.#options.transport.bytesReceived;
  }

  get bufferedBytes(): number {
    return this.#phase.name === 'open' ? this.#phase.sender.bufferedBytes : this.#options.transport.bufferedBytes;
  }

  /** Whether the connection has ended or is closing: nothing is sent or heard any more. */
  get ended(): boolean {
    return this.#phase.name === 'ended';
  }

  /** Ends every stream that is open, telling the other end why; the connection goes on. */
  resetStreams(code: ResetCode): void {
    for (const stream of this.#streams.snapshot()) stream.reset(code);
  }

  /** Fails every stream now and closes the connection. */
  close(code: number, reason: string): void {
    if (this.#phase.name === 'ended') return;
    this.#end({ code, reason, local: true });
    this.#options.transport.close(code, reason);
  }

  /** Fails every stream now and breaks the connection off. */
  terminate(code: number, reason: string): void {
    this.#end({ code, reason, local: true });
    this.#options.transport.terminate(code, reason);
  }

  // What the transport calls.

  onFrame(bytes: Uint8Array): void {
    if (this.#phase.name === 'ended') return;
    this.#lastInboundAt = this.clock.now();
    this.observer.bytes('in', bytes.length);
    try {
      this.#route(decodeFrame(bytes));
    } catch (error) {
      this.#fault(error);
    }
  }

  onDrain(): void {
    if (this.#phase.name === 'open') this.#phase.sender.pump();
  }

  onEnd(end: ConnectionEnd): void {
    this.#end(end);
    this.#options.onEnd(end);
  }

  // What streams and liveness call.

  sendControl(streamId: number, body: FrameBodyInit): void {
    this.sendEncoded(encodeFrame(streamId, body));
  }

  sendEncoded(frame: Uint8Array, owner?: HandOver): void {
    if (this.#phase.name === 'ended') return;
    this.#send(frame, owner);
  }

  activate(source: BodyStream): void {
    if (this.#phase.name === 'open') this.#phase.sender.activate(source);
  }

  forget(stream: BodyStream, awaitsPeer: boolean): void {
    this.#streams.remove(stream, awaitsPeer);
  }

  sendPing(nonce: number): void {
    this.sendControl(0, { case: 'ping', value: { nonce, load: this.#load() } });
  }

  onSilence(): void {
    this.terminate(closeCode.heartbeat, 'the other end fell silent');
  }

  // Frames.

  #route(frame: Frame): void {
    const { streamId, body } = frame;
    if (body.case === undefined) return this.#onUnknown(streamId);
    if (isConnectionFrame(body)) {
      if (streamId !== 0) throw new ProtocolError(closeCode.protocolError, `${body.case} on a stream`);
      return this.#onConnectionFrame(body);
    }
    if (streamId === 0 && body.case !== 'credit')
      throw new ProtocolError(closeCode.protocolError, `${body.case} outside a stream`);
    if (this.#phase.name !== 'open')
      throw new ProtocolError(closeCode.protocolError, `${body.case} before the greeting`);
    this.#onStreamFrame(streamId, body, this.#phase);
  }

  /** A frame of a later version: skipped on the connection, answered on a stream. */
  #onUnknown(streamId: number): void {
    if (streamId === 0) return;
    const stream = this.#streams.get(streamId);
    if (stream) stream.reset(ResetCode.UNSUPPORTED);
  }

  #onConnectionFrame(body: ConnectionBody): void {
    switch (body.case) {
      case 'ping':
        this.sendControl(0, { case: 'pong', value: { nonce: body.value.nonce, load: this.#load() } });
        return;
      case 'pong':
        this.#onPong(body.value.nonce);
        return;
      default:
        this.#options.onControl(body);
    }
  }

  #onPong(nonce: number): void {
    const rttMs = this.#phase.name === 'open' ? this.#phase.liveness.pong(nonce) : undefined;
    if (rttMs !== undefined) this.observer.rtt(rttMs);
  }

  #onStreamFrame(streamId: number, body: StreamBody, phase: OpenPhase): void {
    if (body.case === 'data') this.#countReceived(body.value.bytes.length, phase);
    if (body.case === 'credit' && streamId === 0) {
      phase.credit.grant(body.value.bytes);
      return phase.sender.pump();
    }
    if (body.case === 'open') return this.#onOpen(streamId, body.value, phase);
    const stream = this.#streams.get(streamId);
    if (stream) deliver(stream, body);
    else this.#streams.checkLate(streamId, body, this.#options.role);
  }

  /** Credit for the connection comes back on receipt: one unread stream must not hold up the others. */
  #countReceived(bytes: number, phase: OpenPhase): void {
    phase.window.receive(bytes);
    const credit = phase.window.giveBack(bytes, this.#lastInboundAt, this.budget.level === 'plenty');
    if (credit > 0) this.sendControl(0, { case: 'credit', value: { bytes: credit } });
  }

  #onOpen(streamId: number, open: Open, phase: OpenPhase): void {
    const { role, onStream } = this.#options;
    if (role !== 'acceptor' || !onStream)
      throw new ProtocolError(closeCode.protocolError, 'only the other end opens streams');
    this.#streams.claim(streamId);
    if (this.#streams.size >= phase.agreement.maxStreams) {
      return this.sendControl(streamId, { case: 'reset', value: { code: ResetCode.REFUSED } });
    }
    const stream = new AcceptorStream(streamId, this, open, limits.initialStreamWindowBytes);
    this.#add(stream, phase);
    onStream(stream);
  }

  // Small parts.

  #sendRequest(stream: OpenerStream, request: OpenRequest, { body, bodyBytes }: RequestBody, window: number): void {
    const first = body.subarray(0, limits.maxInlineBodyBytes);
    const end = first.length === bodyBytes;
    const more = { window, body: first, end, bodyBytes: end ? undefined : bodyBytes };
    this.sendEncoded(encodeOpenFrame(stream.id, { ...request, ...more }), stream);
    if (end) return;
    stream.write(body.subarray(first.length));
    if (body.length === bodyBytes) stream.end();
  }

  #send(frame: Uint8Array, owner?: HandOver): void {
    if (this.#phase.name === 'open') return this.#sendOrClose(this.#phase.sender, frame, owner);
    this.observer.bytes('out', frame.length);
    this.#options.transport.send(frame);
  }

  #sendOrClose(sender: Sender, frame: Uint8Array, owner: HandOver | undefined): void {
    try {
      sender.sendControl(frame, owner);
    } catch (error) {
      this.#fault(error);
    }
  }

  #add(stream: BodyStream, phase: OpenPhase): void {
    this.#streams.add(stream);
    if (this.#streams.size === 1) phase.liveness.becameBusy();
  }

  #newStreamWindow(): number {
    return this.budget.level === 'spent' ? limits.frugalStreamWindowBytes : limits.initialStreamWindowBytes;
  }

  #load(): { streams: number; bufferedBytes: bigint; loopLagMs: number } {
    const loopLagMs = this.#phase.name === 'open' ? Math.round(this.#phase.liveness.loopLagMs) : 0;
    return { streams: this.#streams.size, bufferedBytes: BigInt(this.bufferedBytes), loopLagMs };
  }

  /** Either end broke the protocol: the owner hears of it at once, since closing may take a while. */
  #fault(error: unknown): void {
    const code = error instanceof ProtocolError ? error.closeCode : internalError;
    const reason = error instanceof Error ? error.message.slice(0, maxReasonChars) : 'internal error';
    this.#options.onFault?.(code, reason);
    this.close(code, reason);
  }

  #end(end: ConnectionEnd): void {
    const phase = this.#phase;
    if (phase.name === 'ended') return;
    this.#phase = { name: 'ended' };
    if (phase.name === 'open') {
      phase.liveness.stop();
      phase.sender.stop();
    }
    for (const stream of this.#streams.snapshot()) stream.onLost(end);
  }
}

function deliver(stream: BodyStream, body: Exclude<StreamBody, { case: 'open' }>): void {
  switch (body.case) {
    case 'data':
      return stream.onData(body.value);
    case 'credit':
      return stream.onCredit(body.value.bytes);
    case 'reset':
      return stream.onReset(body.value);
    case 'openOk':
    case 'openErr':
      return answer(stream, body);
  }
}

function answer(stream: BodyStream, body: Extract<StreamBody, { case: 'openOk' | 'openErr' }>): void {
  if (!(stream instanceof OpenerStream))
    throw new ProtocolError(closeCode.protocolError, 'a stream is answered by the end that accepted it');
  if (body.case === 'openOk') stream.onOpenOk(body.value);
  else stream.onOpenErr(body.value);
}
