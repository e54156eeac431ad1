// The streams of a connection by id. Ids rise and are never used twice, so an id says whether a stream was never
// opened, is open, or is over; and of those that are over, which the other end may not know to be.
import { ProtocolError } from './codec.ts';
import { isLastFrame, type StreamBody } from './frame-kinds.ts';
import { limits } from './limits.ts';
import type { MuxRole } from './mux-api.ts';
import { closeCode } from './names.ts';
import type { BodyStream } from './stream.ts';

const lastId = 2 ** 32 - 1;

export class StreamTable {
  readonly #open = new Map<number, BodyStream>();
  /** Streams this end reset. Oldest first, bounded; made when the first is, since most connections never need it. */
  #resetIds: Set<number> | undefined;
  /** The highest id that was dropped from them: up to it nobody can be told to lie. */
  #forgottenUpTo = 0;
  #highestId = 0;

  get size(): number {
    return this.#open.size;
  }

  get(id: number): BodyStream | undefined {
    return this.#open.get(id);
  }

  /** The id for a stream that this end opens; undefined when a connection has used them all. */
  nextId(): number | undefined {
    return this.#highestId < lastId ? this.#highestId + 1 : undefined;
  }

  /** Throws a ProtocolError when the other end uses an id again. */
  claim(id: number): void {
    if (id <= this.#highestId) throw new ProtocolError(closeCode.protocolError, 'a stream id was used twice');
    this.#highestId = id;
  }

  add(stream: BodyStream): void {
    this.#open.set(stream.id, stream);
  }

  /** The stream is over; `awaitsPeer`: frames of it may still be on their way. */
  remove(stream: BodyStream, awaitsPeer: boolean): void {
    this.#open.delete(stream.id);
    if (!awaitsPeer) return;
    this.#resetIds ??= new Set();
    this.#resetIds.add(stream.id);
    if (this.#resetIds.size > limits.maxRememberedResets) this.#forgetOldest(this.#resetIds);
  }

  /**
   * A frame of a stream that is not open. An acceptor may get one of a stream that it ended, since the opener's
   * credit crosses its end. An opener gets one only of a stream that it reset: anything else is a lie.
   */
  checkLate(id: number, body: StreamBody, role: MuxRole): void {
    if (id > this.#highestId) {
      throw new ProtocolError(closeCode.protocolError, 'a frame of a stream that was never opened');
    }
    if (role === 'acceptor' || id <= this.#forgottenUpTo) return;
    if (!this.#resetIds?.has(id)) {
      throw new ProtocolError(closeCode.protocolError, `${body.case} after the end of a stream`);
    }
    if (isLastFrame(body)) this.#resetIds.delete(id);
  }

  /** Every open stream, as of now. */
  snapshot(): BodyStream[] {
    return [...this.#open.values()];
  }

  #forgetOldest(ids: Set<number>): void {
    for (const oldest of ids) {
      ids.delete(oldest);
      this.#forgottenUpTo = Math.max(this.#forgottenUpTo, oldest);
      return;
    }
  }
}
