// A FrameTransport over the one call of an HTTP/2 connection: a message of the call is a frame. Frames of one turn of the
// event loop leave in one write. The connection is the transport's own and ends with it; docs/adr/0018 says why this is
// not grpc-js.
import { constants, type Http2Stream, type IncomingHttpHeaders } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import { limits } from '../../wire/limits.ts';
import type { CloseCode } from '../../wire/names.ts';
import type { FrameTransport, TransportListener } from '../../wire/transport.ts';
import { closeTrailers, readClose } from './close-status.ts';
import { type MessageListener, MessageReader, prefixBytes, writePrefix } from './grpc-messages.ts';
import { peerLimits } from './peer-limits.ts';

/** What node:http2 must be told on both ends; its own windows are 64 KiB. */
export const http2Options = {
  settings: {
    enablePush: false,
    initialWindowSize: peerLimits.http2WindowBytes,
    maxConcurrentStreams: 1,
  },
  maxHeaderListPairs: peerLimits.maxHeaderPairs,
} as const;

type End = { readonly code: number; readonly reason: string };

/** Ends with the socket, whatever ended before it. */
type State =
  | { readonly name: 'open' }
  /** This end has said, or is about to say, why it closes. */
  | { readonly name: 'closing'; readonly end: End; readonly cancel: CancelTimer }
  | { readonly name: 'ended' };

/** The socket's close follows and is what counts. */
const ignore = (): void => {};
const flush = (transport: Http2Transport): void => transport.flush();

export class Http2Transport implements FrameTransport, MessageListener {
  readonly #stream: Http2Stream;
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  readonly #reader = new MessageReader(limits.maxFrameBytes, this);
  #listener: TransportListener | undefined;
  #state: State = { name: 'open' };
  /** Frames of this turn. */
  #frames: Uint8Array[] = [];
  #frameBytes = 0;
  #waitsForDrain = false;
  #trailers: IncomingHttpHeaders | undefined;

  /** `stream` was opened with waitForTrailers, and is the only one of the connection on `socket`. */
  constructor(stream: Http2Stream, socket: TLSSocket, clock: Clock) {
    this.#stream = stream;
    this.#socket = socket;
    this.#clock = clock;
  }

  attach(listener: TransportListener): void {
    this.#listener = listener;
    this.#stream.on('error', ignore);
    this.#stream.on('wantTrailers', this.#sayWhy);
    this.#stream.on('trailers', (trailers: IncomingHttpHeaders) => {
      this.#trailers = trailers;
    });
    this.#stream.on('end', this.#leave);
    this.#stream.on('close', this.#leave);
    this.#socket.once('close', this.#onGone);
    if (this.#socket.destroyed) setImmediate(this.#onGone);
    this.#stream.on('data', (chunk: Buffer) => this.#reader.read(chunk));
  }

  get bufferedBytes(): number {
    return this.#frameBytes + this.#stream.writableLength;
  }

  get bytesReceived(): number {
    return this.#socket.bytesRead;
  }

  send(frame: Uint8Array): void {
    if (this.#state.name !== 'open') return;
    if (this.#frames.length === 0) setImmediate(flush, this);
    this.#frames.push(frame);
    this.#frameBytes += prefixBytes + frame.length;
    // This frame fills the buffer: when the kernel has taken it, there is room.
    if (this.bufferedBytes >= limits.socketBufferBytes) this.#waitsForDrain = true;
  }

  close(code: number, reason: string): void {
    if (this.#state.name !== 'open') return;
    this.flush();
    const cancel = this.#clock.after(limits.closeTimeoutMs, () => this.#socket.destroy());
    this.#state = { name: 'closing', end: { code, reason }, cancel };
    this.#reader.stop();
    this.#stream.end();
  }

  terminate(code: number, reason: string): void {
    this.close(code, reason);
    if (this.#state.name === 'ended') return;
    this.#stream.close(constants.NGHTTP2_CANCEL);
    this.#socket.destroy();
  }

  /** Lets what was sent since the last turn go. */
  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    const bytes = together(frames, this.#frameBytes);
    this.#frames = [];
    this.#frameBytes = 0;
    if (!this.#stream.writable) return;
    this.#stream.write(bytes, this.#waitsForDrain ? this.#onTaken : undefined);
  }

  onMessage(message: Uint8Array): void {
    this.#listener?.onFrame(message);
  }

  onFault(code: CloseCode, reason: string): void {
    this.close(code, reason);
  }

  readonly #onTaken = (error?: Error | null): void => {
    if (error || !this.#waitsForDrain || this.bufferedBytes >= limits.socketBufferBytes) return;
    this.#waitsForDrain = false;
    this.#listener?.onDrain();
  };

  readonly #sayWhy = (): void => {
    const end = this.#state.name === 'closing' ? this.#state.end : undefined;
    this.#stream.sendTrailers(end ? closeTrailers(end.code, end.reason) : {});
  };

  /** The other end is done, or the call broke off: either way the connection has no use any more. */
  readonly #leave = (): void => {
    if (this.#state.name === 'open' || this.#stream.closed) this.#socket.destroy();
  };

  readonly #onGone = (): void => {
    const state = this.#state;
    if (state.name === 'ended') return;
    this.#state = { name: 'ended' };
    this.#frames = [];
    this.#frameBytes = 0;
    this.#reader.stop();
    if (state.name === 'closing') state.cancel();
    const local = state.name === 'closing';
    const { code, reason } = local ? state.end : readClose(this.#trailers);
    this.#listener?.onEnd({ code, reason, local });
    this.#listener = undefined;
  };
}

/** One piece for one write: a copy costs less than the bookkeeping of a chunk. */
function together(frames: readonly Uint8Array[], bytes: number): Buffer {
  const target = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const frame of frames) {
    at = writePrefix(target, at, frame.length);
    target.set(frame, at);
    at += frame.length;
  }
  return target;
}
