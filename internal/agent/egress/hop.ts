// One request on one lane and its answer: undici's handler. It knows how far the request got, hands the answer to its
// exchange, and gives the lane back in the right way. After cancel() nothing more comes.
import type { Readable } from 'node:stream';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../kit/clock.ts';
import type { EgressTimings } from './egress-api.ts';
import type { Lane } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Upload } from './upload.ts';

export interface HopRequest {
  readonly method: string;
  readonly path: string;
  /** Name and value in turn. */
  readonly headers: string[];
  readonly body: Uint8Array | Upload | null;
}

export interface HopOwner {
  /** The final head: no 1xx. Names and values in turn, as they came. */
  onHead(statusCode: number, rawHeaders: readonly Buffer[], timings: EgressTimings): void;
  onData(bytes: Uint8Array): void;
  onEnd(): void;
  onError(error: unknown): void;
}

export class Hop implements Dispatcher.DispatchHandler {
  /** The connection had been used before. */
  readonly reused: boolean;
  readonly #lane: Lane;
  readonly #lanes: Lanes;
  readonly #clock: Clock;
  readonly #owner: HopOwner;
  #controller: Dispatcher.DispatchController | undefined;
  #sentAtMs: number | undefined;
  #over = false;

  constructor(lane: Lane, lanes: Lanes, clock: Clock, owner: HopOwner) {
    this.reused = lane.alive;
    this.#lane = lane;
    this.#lanes = lanes;
    this.#clock = clock;
    this.#owner = owner;
  }

  send({ method, path, headers, body }: HopRequest): void {
    // undici takes any async iterable as a body; its types do not say so.
    this.#lane.client.dispatch({ method, path, headers, body: body as Uint8Array | Readable | null }, this);
  }

  /** undici began to write the request: from here on a byte may have left. */
  get sent(): boolean {
    return this.#sentAtMs !== undefined;
  }

  pause(): void {
    this.#controller?.pause();
  }

  resume(): void {
    if (!this.#over) this.#controller?.resume();
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#lanes.drop(this.#lane);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    this.#sentAtMs = this.#clock.now();
  }

  onResponseStart(controller: Dispatcher.DispatchController, statusCode: number): void {
    if (this.#over || statusCode < 200) return;
    const firstByteUs = Math.round((this.#clock.now() - (this.#sentAtMs ?? 0)) * 1000);
    const { dnsUs, connectUs, tlsUs } = this.#lane.timings;
    this.#owner.onHead(statusCode, controller.rawHeaders as Buffer[], { dnsUs, connectUs, tlsUs, firstByteUs });
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (!this.#over) this.#owner.onData(chunk);
  }

  onResponseEnd(): void {
    if (this.#over) return;
    this.#over = true;
    this.#lanes.park(this.#lane);
    this.#owner.onEnd();
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#over) return;
    this.cancel();
    this.#owner.onError(error);
  }
}
