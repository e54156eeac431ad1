// One stream: a body each way under credit, and one end. What its two ends do differently about its head
// stands in opener-stream.ts and acceptor-stream.ts.
import { type Data, type Reset, ResetCode } from '../../gen/resproxy/v1/channel_pb.ts';
import { FailureCode } from '../../gen/resproxy/v1/failure_pb.ts';
import type { Clock } from '../kit/clock.ts';
import type { BufferBudget, BufferHolder } from './budget.ts';
import { ByteQueue } from './byte-queue.ts';
import { type FrameBodyInit, ProtocolError } from './codec.ts';
import { ReceiveWindow, SendCredit } from './credit.ts';
import { limits } from './limits.ts';
import type { MuxObserver } from './mux-api.ts';
import { closeCode } from './names.ts';
import type { RoundTrip } from './rtt.ts';
import type { DataSource, HandOver } from './sender.ts';
import { type Stream, type StreamEnd, StreamError } from './stream-api.ts';
import type { ConnectionEnd } from './transport.ts';

/** What a stream needs of the connection it is on. */
export interface StreamHost {
  readonly clock: Clock;
  readonly budget: BufferBudget;
  readonly rtt: RoundTrip;
  readonly observer: MuxObserver;
  sendControl(streamId: number, body: FrameBodyInit): void;
  /** As sendControl, for a frame that is encoded already. */
  sendEncoded(frame: Uint8Array, owner?: HandOver): void;
  activate(source: DataSource): void;
  /** The stream is over; `awaitsPeer`: frames of it may still arrive. */
  forget(stream: BodyStream, awaitsPeer: boolean): void;
}

export abstract class BodyStream implements Stream, DataSource, BufferHolder {
  readonly id: number;
  inTurn = false;
  protected readonly host: StreamHost;
  readonly #ownWindowBytes: number;
  readonly #credit: SendCredit;
  readonly #inbox = new ByteQueue();
  readonly #outbox = new ByteQueue();
  #window: ReceiveWindow | undefined;
  /** 'done': both ends said all they had. */
  #over: StreamEnd | 'done' | undefined;
  #peerEnded = false;
  #ending = false;
  #starvedSinceMs: number | undefined;
  #reader: PromiseWithResolvers<Uint8Array | undefined> | undefined;
  #writer: PromiseWithResolvers<void> | undefined;

  constructor(id: number, host: StreamHost, windows: { readonly ownBytes: number; readonly peerBytes: number }) {
    this.id = id;
    this.host = host;
    this.#ownWindowBytes = windows.ownBytes;
    this.#credit = new SendCredit(windows.peerBytes);
  }

  /** Whether the other end's last frame is the end of the stream (the opener's view) or only of its body (the acceptor's). */
  protected abstract readonly peerEndIsAll: boolean;
  /** Called once, when the stream is over. */
  protected abstract onOver(end: StreamEnd | 'done'): void;

  protected get isOver(): boolean {
    return this.#over !== undefined;
  }

  // What the user of the stream calls.

  read(): Promise<Uint8Array | undefined> {
    const bytes = this.#inbox.take(limits.maxDataBytes);
    if (bytes) {
      this.host.budget.release(this, bytes.length);
      this.#consumed(bytes.length);
      return Promise.resolve(bytes);
    }
    if (this.#over !== undefined && this.#over !== 'done') return Promise.reject(new StreamError(this.#over));
    if (this.#peerEnded || this.#over === 'done') return Promise.resolve(undefined);
    this.#reader ??= Promise.withResolvers();
    return this.#reader.promise;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#over !== undefined || this.#ending) return true;
    this.#outbox.push(bytes);
    this.#wake();
    return this.#outbox.bytes < limits.socketBufferBytes;
  }

  writable(): Promise<void> {
    if (this.#over !== undefined || this.#outbox.bytes < limits.socketBufferBytes) return Promise.resolve();
    this.#writer ??= Promise.withResolvers();
    return this.#writer.promise;
  }

  end(): void {
    if (this.#over !== undefined || this.#ending) return;
    this.#ending = true;
    this.host.activate(this);
  }

  reset(code: ResetCode, failure: FailureCode = FailureCode.UNSPECIFIED): void {
    this.#dropInbox();
    if (this.#over !== undefined) return;
    this.host.observer.reset(code, 'us');
    this.host.sendControl(this.id, { case: 'reset', value: { code, failure } });
    this.finish({ kind: 'reset', code, failure, local: true });
  }

  /** The budget is spent and nobody reads this stream. */
  shed(): void {
    this.reset(ResetCode.STALLED);
  }

  get bufferedBytes(): number {
    return this.#inbox.bytes;
  }

  // What the connection calls when a frame of this stream arrives.

  onData({ bytes, end }: Data): void {
    if (this.#peerEnded) throw new ProtocolError(closeCode.protocolError, 'data after the end of a stream');
    if (bytes.length === 0 && !end) throw new ProtocolError(closeCode.protocolError, 'data frame without data');
    if (bytes.length > limits.maxDataBytes) throw new ProtocolError(closeCode.protocolError, 'data frame too large');
    this.#receiveWindow.receive(bytes.length);
    this.#peerEnded = end;
    if (bytes.length > 0) this.#deliver(bytes);
    if (end) this.#onPeerEnd();
  }

  onCredit(bytes: number): void {
    this.#credit.grant(bytes);
    if (this.#starvedSinceMs !== undefined) {
      this.host.observer.blocked('stream', this.host.clock.now() - this.#starvedSinceMs);
      this.#starvedSinceMs = undefined;
    }
    this.#wake();
  }

  onReset({ code, failure }: Reset): void {
    this.host.observer.reset(code, 'peer');
    this.finish({ kind: 'reset', code, failure, local: false });
  }

  /** The connection is gone. `sent`: whether the other end may know of the stream. */
  onLost(end: ConnectionEnd, sent = true): void {
    this.finish({ kind: 'lost', end, sent });
  }

  // What the sender asks.

  get hasData(): boolean {
    if (this.#over !== undefined) return false;
    if (this.#outbox.bytes === 0) return this.#ending;
    return this.#credit.left > 0;
  }

  takeData(max: number): { bytes: Uint8Array; end: boolean } {
    const bytes = this.#outbox.take(Math.min(max, this.#credit.left)) ?? new Uint8Array();
    this.#credit.spend(bytes.length);
    const end = this.#ending && this.#outbox.bytes === 0;
    if (end) this.onEndSent();
    else if (this.#outbox.bytes > 0 && this.#credit.left === 0) this.#starvedSinceMs = this.host.clock.now();
    if (this.#outbox.bytes < limits.socketBufferBytes) this.#resolveWriter();
    return { bytes, end };
  }

  /** This end's body is over: the acceptor's end is the end of the stream. */
  protected onEndSent(): void {
    this.#ending = false;
  }

  /** The other end's body is over with its head. */
  protected peerEndedWithHead(): void {
    this.#peerEnded = true;
    this.#onPeerEnd();
  }

  /** The one way out of a stream's life. */
  protected finish(end: StreamEnd | 'done'): void {
    if (this.#over !== undefined) return;
    this.#over = end;
    this.#outbox.clear();
    if (end !== 'done') this.#failReader(end);
    else if (!this.peerEndIsAll) this.#endReader();
    this.#resolveWriter();
    this.host.forget(this, end !== 'done' && end.kind === 'reset' && end.local);
    this.onOver(end);
  }

  #wake(): void {
    if (this.hasData) this.host.activate(this);
  }

  #deliver(bytes: Uint8Array): void {
    const reader = this.#reader;
    if (!reader) {
      this.#inbox.push(bytes);
      this.host.budget.take(this, bytes.length);
      return;
    }
    this.#reader = undefined;
    this.#consumed(bytes.length);
    reader.resolve(bytes);
  }

  #onPeerEnd(): void {
    if (this.peerEndIsAll) this.finish('done');
    this.#resolveReader();
  }

  get #receiveWindow(): ReceiveWindow {
    const rule = { initialBytes: this.#ownWindowBytes, maxBytes: limits.maxStreamWindowBytes, yieldsToQueue: false };
    this.#window ??= new ReceiveWindow(rule, this.host.rtt, this.host.clock.now());
    return this.#window;
  }

  #consumed(bytes: number): void {
    if (this.#peerEnded || this.#over !== undefined) return;
    const mayGrow = this.host.budget.level === 'plenty';
    const credit = this.#receiveWindow.giveBack(bytes, this.host.clock.now(), mayGrow);
    if (credit > 0) this.host.sendControl(this.id, { case: 'credit', value: { bytes: credit } });
  }

  #failReader(end: StreamEnd): void {
    this.#dropInbox();
    this.#reader?.reject(new StreamError(end));
    this.#reader = undefined;
  }

  /** This end is done and takes no more of what the other one sends. */
  #endReader(): void {
    this.#dropInbox();
    this.#resolveReader();
  }

  #resolveReader(): void {
    this.#reader?.resolve(undefined);
    this.#reader = undefined;
  }

  #dropInbox(): void {
    const bytes = this.#inbox.bytes;
    this.#inbox.clear();
    if (bytes > 0) this.host.budget.release(this, bytes);
  }

  #resolveWriter(): void {
    this.#writer?.resolve();
    this.#writer = undefined;
  }
}
