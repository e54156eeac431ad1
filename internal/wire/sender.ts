// What leaves a connection, and in which order: control frames first, then one turn for each stream that has body and
// credit, as long as the connection has credit and the socket is not full. What is urgent never waits behind bulk.
import type { Clock } from '../kit/clock.ts';
import { ProtocolError } from './codec.ts';
import type { SendCredit } from './credit.ts';
import { encodeDataFrame } from './hot-frames.ts';
import { limits } from './limits.ts';
import type { BlockedLevel, MuxObserver } from './mux-api.ts';
import { closeCode } from './names.ts';
import type { FrameTransport } from './transport.ts';

/** A stream as the sender sees it. */
export interface DataSource {
  readonly id: number;
  /** Whether it waits for its turn; the sender's own mark, so that it needs no set. */
  inTurn: boolean;
  /** Whether takeData would give something: bytes under the stream's own credit, or its end. */
  readonly hasData: boolean;
  /** The next bytes, at most `max`, and whether they are the last. */
  takeData(max: number): { readonly bytes: Uint8Array; readonly end: boolean };
}

/** Hears when the transport took its frame. */
export interface HandOver {
  handedOver(): void;
}

/** A frame that waits for the socket. */
interface ControlFrame {
  readonly frame: Uint8Array;
  readonly owner: HandOver | undefined;
}

/** Bytes that a stream may send per turn. */
const quantumBytes = limits.maxDataBytes;

export class Sender {
  readonly #transport: FrameTransport;
  readonly #credit: SendCredit;
  readonly #observer: MuxObserver;
  readonly #clock: Clock;
  readonly #maxControlBytes: number;
  readonly #control: ControlFrame[] = [];
  #controlBytes = 0;
  /** Streams with data, each once, the next one first. */
  readonly #turns: DataSource[] = [];
  #blocked: { level: BlockedLevel; sinceMs: number } | undefined;
  #stopped = false;

  constructor(
    transport: FrameTransport,
    credit: SendCredit,
    clock: Clock,
    observer: MuxObserver,
    maxControlBytes: number = limits.maxControlQueueBytes,
  ) {
    this.#transport = transport;
    this.#credit = credit;
    this.#clock = clock;
    this.#observer = observer;
    this.#maxControlBytes = maxControlBytes;
  }

  /** Bytes that wait here and in the transport. */
  get bufferedBytes(): number {
    return this.#controlBytes + this.#transport.bufferedBytes;
  }

  /** Throws a ProtocolError when the other end has let too many frames pile up. */
  sendControl(frame: Uint8Array, owner?: HandOver): void {
    if (this.#stopped) return;
    if (this.#control.length === 0 && this.#socketHasRoom) {
      this.#handOver(frame);
      owner?.handedOver();
      return;
    }
    if (this.#controlBytes + frame.length > this.#maxControlBytes) {
      throw new ProtocolError(closeCode.overloaded, 'the other end does not read');
    }
    this.#control.push({ frame, owner });
    this.#controlBytes += frame.length;
  }

  /** The stream has data now. */
  activate(source: DataSource): void {
    if (this.#stopped || source.inTurn) return;
    source.inTurn = true;
    this.#turns.push(source);
    this.pump();
  }

  /** Sends what the windows and the socket allow. */
  pump(): void {
    if (this.#stopped) return;
    this.#unblocked();
    if (!this.#sendControlFrames()) return this.#blockedBy('socket');
    this.#sendData();
  }

  stop(): void {
    this.#stopped = true;
    this.#control.length = 0;
    this.#controlBytes = 0;
    this.#turns.length = 0;
  }

  get #socketHasRoom(): boolean {
    return this.#transport.bufferedBytes < limits.socketBufferBytes;
  }

  #sendControlFrames(): boolean {
    let sent = 0;
    for (const { frame, owner } of this.#control) {
      if (!this.#socketHasRoom) break;
      sent++;
      this.#controlBytes -= frame.length;
      this.#handOver(frame);
      owner?.handedOver();
    }
    if (sent > 0) this.#control.splice(0, sent);
    return this.#control.length === 0;
  }

  #sendData(): void {
    for (let source = this.#turns[0]; source; source = this.#turns[0]) {
      if (!this.#socketHasRoom) return this.#blockedBy('socket');
      if (this.#credit.left === 0) return this.#blockedBy('connection');
      this.#turns.shift();
      this.#takeTurn(source);
      source.inTurn = source.hasData;
      if (source.inTurn) this.#turns.push(source);
    }
  }

  /** One turn: up to a quantum, in as many frames as the pieces need. */
  #takeTurn(source: DataSource): void {
    let allowance = quantumBytes;
    while (allowance > 0 && source.hasData && this.#credit.left > 0) {
      const { bytes, end } = source.takeData(Math.min(allowance, this.#credit.left));
      this.#credit.spend(bytes.length);
      this.#handOver(encodeDataFrame(source.id, bytes, end));
      allowance -= bytes.length;
    }
  }

  #handOver(frame: Uint8Array): void {
    this.#observer.bytes('out', frame.length);
    this.#transport.send(frame);
  }

  #blockedBy(level: BlockedLevel): void {
    this.#blocked = { level, sinceMs: this.#clock.now() };
  }

  #unblocked(): void {
    if (!this.#blocked) return;
    this.#observer.blocked(this.#blocked.level, this.#clock.now() - this.#blocked.sinceMs);
    this.#blocked = undefined;
  }
}
