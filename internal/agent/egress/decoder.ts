// Takes the content codings off an answer, with a bound on what a small answer may unfold into. Backpressure goes
// through: a sink that pauses stops the decoder, and a decoder that is full stops the origin.
import type { Transform } from 'node:stream';
import { FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { Coding } from './coding.ts';

export interface DecodedSink {
  /** False: pause until resume(). */
  data(bytes: Uint8Array): boolean;
  end(): void;
  fail(code: FailureCode): void;
}

/** Nothing honest unfolds further than this, once there is enough of it to count. */
const maxRatio = 200;
const ratioFreeBytes = 1024 * 1024;

export class Decoder {
  readonly #stages: readonly Stage[];

  /** `codings` in the order they come off, at least one. `onDrained`: after write() said false, write again. */
  constructor(codings: readonly Coding[], sink: DecodedSink, onDrained: () => void) {
    const stages: Stage[] = [];
    for (const [i, coding] of codings.entries()) {
      const isLast = i === codings.length - 1;
      const outlet = isLast ? sink : feeding(() => stages[i + 1], sink);
      stages.push(new Stage(coding, outlet, i === 0 ? onDrained : () => stages[i - 1]?.resume()));
    }
    this.#stages = stages;
  }

  write(bytes: Uint8Array): boolean {
    return this.#stages[0]?.write(bytes) ?? true;
  }

  end(): void {
    this.#stages[0]?.end();
  }

  /** The sink takes data again. */
  resume(): void {
    this.#stages.at(-1)?.resume();
  }

  destroy(): void {
    for (const stage of this.#stages) stage.destroy();
  }
}

function feeding(next: () => Stage | undefined, sink: DecodedSink): DecodedSink {
  return {
    data: (bytes) => next()?.write(bytes) ?? true,
    end: () => next()?.end(),
    fail: (code) => sink.fail(code),
  };
}

/** One coding. */
class Stage {
  readonly #coding: Coding;
  readonly #outlet: DecodedSink;
  readonly #onDrained: () => void;
  /** Made with the first byte: an empty body stays empty, whatever its headers say. */
  #transform: Transform | undefined;
  #inBytes = 0;
  #outBytes = 0;

  constructor(coding: Coding, outlet: DecodedSink, onDrained: () => void) {
    this.#coding = coding;
    this.#outlet = outlet;
    this.#onDrained = onDrained;
  }

  write(bytes: Uint8Array): boolean {
    this.#inBytes += bytes.length;
    this.#transform ??= this.#open(bytes[0] ?? 0);
    return this.#transform.write(bytes);
  }

  end(): void {
    if (this.#transform) this.#transform.end();
    else this.#outlet.end();
  }

  resume(): void {
    this.#transform?.resume();
  }

  destroy(): void {
    this.#transform?.destroy();
  }

  #open(firstByte: number): Transform {
    return this.#coding(firstByte)
      .on('data', (bytes: Buffer) => this.#onData(bytes))
      .on('drain', this.#onDrained)
      .on('end', () => this.#outlet.end())
      .on('error', (error: Error) => this.#outlet.fail(failureOf(error)));
  }

  #onData(bytes: Buffer): void {
    this.#outBytes += bytes.length;
    if (this.#outBytes > ratioFreeBytes && this.#outBytes > this.#inBytes * maxRatio)
      this.#outlet.fail(FailureCode.DECOMPRESSION_LIMIT);
    else if (!this.#outlet.data(bytes)) this.#transform?.pause();
  }
}

/** Cut short, or no such coding at all: the second will be no better on another try. */
function failureOf(error: Error & { code?: unknown }): FailureCode {
  return error.code === 'Z_BUF_ERROR' ? FailureCode.RESPONSE_INCOMPLETE : FailureCode.DECOMPRESSION_LIMIT;
}
