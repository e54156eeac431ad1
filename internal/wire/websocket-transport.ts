// A FrameTransport over one WebSocket. Frames of one turn of the event loop leave in one write: the socket is corked
// from the first send until everything that was ready has run.
import type { Socket } from 'node:net';
import type { RawData, WebSocket } from 'ws';
import type { CancelTimer, Clock } from '../kit/clock.ts';
import { limits } from './limits.ts';
import { closeCode } from './names.ts';
import type { FrameTransport, TransportListener } from './transport.ts';

/** What `ws` must be told on both ends; its own defaults cost ten times the memory and trust the other end. */
export const webSocketOptions = {
  perMessageDeflate: false,
  // Twice a frame: what is a little too large is seen and named by the mux (4413), the absurd is never buffered (1009).
  maxPayload: 2 * limits.maxFrameBytes,
  maxFragments: 16,
  // Nobody here pings by WebSocket frames, and answering a flood of them would fill the buffer.
  autoPong: false,
} as const;

const sendOptions = { binary: true, compress: false, fin: true } as const;

/** The close event follows with the code; the message may hold an address and is nobody's business. */
const ignore = (): void => {};
const uncork = (transport: WebSocketTransport): void => transport.uncork();

export class WebSocketTransport implements FrameTransport {
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  readonly #clock: Clock;
  #listener: TransportListener | undefined;
  #corked = false;
  #waitsForDrain = false;
  #closedLocally: { code: number; reason: string } | undefined;
  #cancelCloseTimer: CancelTimer | undefined;

  /** `socket` is the one under `ws`, from its upgrade. */
  constructor(ws: WebSocket, socket: Socket, clock: Clock) {
    this.#ws = ws;
    this.#socket = socket;
    this.#clock = clock;
  }

  attach(listener: TransportListener): void {
    this.#listener = listener;
    this.#ws.on('message', this.#onMessage);
    this.#ws.on('close', this.#onClose);
    this.#ws.on('error', ignore);
  }

  get bufferedBytes(): number {
    return this.#ws.bufferedAmount;
  }

  get bytesReceived(): number {
    return this.#socket.bytesRead;
  }

  send(frame: Uint8Array): void {
    if (this.#ws.readyState !== this.#ws.OPEN) return;
    this.#cork();
    if (this.#waitsForDrain || this.#ws.bufferedAmount + frame.length < limits.socketBufferBytes) {
      this.#ws.send(frame, sendOptions);
      return;
    }
    // This frame fills the buffer: when the kernel has taken it, there is room.
    this.#waitsForDrain = true;
    this.#ws.send(frame, sendOptions, () => this.#onTaken());
  }

  close(code: number, reason: string): void {
    if (this.#closedLocally) return;
    this.#closedLocally = { code, reason };
    this.uncork();
    this.#ws.close(code, reason);
    this.#cancelCloseTimer = this.#clock.after(limits.closeTimeoutMs, () => this.#ws.terminate());
  }

  terminate(code: number, reason: string): void {
    this.#closedLocally ??= { code, reason };
    this.uncork();
    this.#ws.close(code, reason);
    this.#ws.terminate();
  }

  #cork(): void {
    if (this.#corked) return;
    this.#corked = true;
    this.#socket.cork();
    setImmediate(uncork, this);
  }

  /** Lets what was sent since the last turn go. */
  uncork(): void {
    if (!this.#corked) return;
    this.#corked = false;
    this.#socket.uncork();
  }

  #onTaken(): void {
    this.#waitsForDrain = false;
    this.#listener?.onDrain();
  }

  readonly #onMessage = (data: RawData, isBinary: boolean): void => {
    if (!isBinary) this.close(closeCode.protocolError, 'text frames are not spoken here');
    else if (data instanceof Uint8Array) this.#listener?.onFrame(data);
  };

  readonly #onClose = (code: number, reason: Buffer): void => {
    this.#cancelCloseTimer?.();
    const local = this.#closedLocally;
    this.#listener?.onEnd(local ? { ...local, local: true } : { code, reason: reason.toString('utf8'), local: false });
    this.#listener = undefined;
  };
}
