// Two FrameTransports that are each other's other end, in memory: the line of the unit tests. Frames arrive in order on
// a later microtask; a test can hold a direction back, or cut the line.
import type { ConnectionEnd, FrameTransport, TransportListener } from './transport.ts';

export class PairedTransport implements FrameTransport {
  peer: PairedTransport | undefined;
  /** While true, what is sent stays in the buffer. */
  held = false;
  bytesReceived = 0;
  readonly sent: Uint8Array[] = [];
  #listener: TransportListener | undefined;
  #buffer: Uint8Array[] = [];
  #bufferedBytes = 0;
  #ended = false;
  #scheduled = false;

  attach(listener: TransportListener): void {
    this.#listener = listener;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  send(frame: Uint8Array): void {
    if (this.#ended) return;
    this.sent.push(frame);
    this.#buffer.push(frame);
    this.#bufferedBytes += frame.length;
    this.#schedule();
  }

  close(code: number, reason: string): void {
    queueMicrotask(() => this.#finish({ code, reason, local: true }));
  }

  terminate(code: number, reason: string): void {
    this.close(code, reason);
  }

  /** The line breaks without a word. */
  cut(): void {
    this.#finish({ code: 1006, reason: '', local: false });
  }

  release(): void {
    this.held = false;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.held) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (!this.held) this.#flush();
    });
  }

  #flush(): void {
    const frames = this.#buffer;
    this.#buffer = [];
    this.#bufferedBytes = 0;
    for (const frame of frames) this.peer?.receive(frame);
    if (!this.#ended) this.#listener?.onDrain();
  }

  receive(frame: Uint8Array): void {
    if (this.#ended) return;
    this.bytesReceived += frame.length;
    this.#listener?.onFrame(frame);
  }

  #finish(end: ConnectionEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#listener?.onEnd(end);
    const { peer } = this;
    queueMicrotask(() => peer?.peerGone(end));
  }

  peerGone({ code, reason }: ConnectionEnd): void {
    this.#finish({ code, reason, local: false });
  }
}

export function transportPair(): [PairedTransport, PairedTransport] {
  const pair: [PairedTransport, PairedTransport] = [new PairedTransport(), new PairedTransport()];
  pair[0].peer = pair[1];
  pair[1].peer = pair[0];
  return pair;
}
