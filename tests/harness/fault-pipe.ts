// One direction of a faulty line: a delay line that keeps order. Bytes leave when the line's rate has let them through
// and the latency has passed; the queue before the rate is bounded, so that the sender feels the line as it would a real one.
import type { Socket } from 'node:net';

export interface Shape {
  readonly latencyMs: number;
  readonly bytesPerSecond: number;
  /** The most bytes of one write. */
  readonly sliceBytes: number;
}

interface Parcel {
  readonly dueMs: number;
  /** Undefined is the FIN. */
  readonly bytes: Buffer | undefined;
}

/** What waits before the narrow part of the line; above it the sender is not read. About what a home router holds. */
const maxQueuedBytes = 256 * 1024;
/** What a long line without a rate may have under way. */
const maxFlightBytes = 8 * 1024 * 1024;

export class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #queue: Parcel[] = [];
  #shape: Shape;
  #queuedBytes = 0;
  /** When the last byte taken in has passed the narrow part of the line. */
  #freeAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #lost = false;
  #blocked = false;
  #finTaken = false;

  constructor(from: Socket, to: Socket, shape: Shape) {
    this.#from = from;
    this.#to = to;
    this.#shape = shape;
    from.on('data', (bytes) => this.#take(bytes));
    from.on('end', () => this.end());
    to.on('drain', () => {
      this.#blocked = false;
      this.#deliver();
    });
  }

  shape(shape: Shape): void {
    this.#shape = shape;
  }

  lose(lost: boolean): void {
    this.#lost = lost;
    if (lost) this.#from.pause();
    else this.#deliver();
  }

  /** A FIN, behind what is under way. */
  end(): void {
    if (this.#finTaken) return;
    this.#finTaken = true;
    this.#queue.push({ dueMs: this.#arrival(0), bytes: undefined });
    this.#deliver();
  }

  /** The sender is gone; what it had sent still arrives. */
  stop(): void {
    if (this.#to.destroyed) clearTimeout(this.#timer);
  }

  #take(bytes: Buffer): void {
    for (let at = 0; at < bytes.length; at += this.#shape.sliceBytes) {
      const slice = bytes.subarray(at, Math.min(bytes.length, at + this.#shape.sliceBytes));
      this.#queue.push({ dueMs: this.#arrival(slice.length), bytes: slice });
      this.#queuedBytes += slice.length;
    }
    if (this.#queuedBytes > this.#flightBytes + maxQueuedBytes) this.#from.pause();
    this.#deliver();
  }

  /** What a full line has under way: it is past the narrow part, and no queue. */
  get #flightBytes(): number {
    const { latencyMs, bytesPerSecond } = this.#shape;
    return latencyMs === 0 ? 0 : Math.min((latencyMs / 1000) * bytesPerSecond, maxFlightBytes);
  }

  #arrival(bytes: number): number {
    this.#freeAtMs = Math.max(this.#freeAtMs, performance.now()) + (bytes * 1000) / this.#shape.bytesPerSecond;
    return this.#freeAtMs + this.#shape.latencyMs;
  }

  /** Hands over all that is due, and sets the one timer for the next. */
  #deliver(): void {
    clearTimeout(this.#timer);
    while (!this.#lost && !this.#blocked && !this.#to.destroyed) {
      const [first] = this.#queue;
      if (!first) break;
      const waitMs = first.dueMs - performance.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.#deliver(), waitMs);
        break;
      }
      this.#queue.shift();
      this.#hand(first.bytes);
    }
    if (!this.#lost && this.#queuedBytes <= this.#flightBytes + maxQueuedBytes / 2) this.#from.resume();
  }

  #hand(bytes: Buffer | undefined): void {
    if (bytes === undefined) {
      this.#to.end();
      return;
    }
    this.#queuedBytes -= bytes.length;
    this.#blocked = !this.#to.write(bytes);
  }
}
