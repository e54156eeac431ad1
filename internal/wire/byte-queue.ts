// Bytes that wait, as the views they came in. Tiny pieces that pile up are copied together, so that a million frames
// of one byte cost a million bytes and not a million objects.

const tinyBytes = 512;
const blockBytes = 4096;

export class ByteQueue {
  #pieces: Uint8Array[] = [];
  #first = 0;
  #bytes = 0;
  /** The block at the end of the queue that still takes tiny pieces, and how far it is filled. */
  #block: Uint8Array | undefined;
  #filled = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(piece: Uint8Array): void {
    if (piece.length === 0) return;
    const waiting = this.#bytes > 0;
    this.#bytes += piece.length;
    if (!waiting || piece.length > tinyBytes) {
      this.#block = undefined;
      this.#pieces.push(piece);
      return;
    }
    this.#append(piece);
  }

  /** The next bytes, at most `max` and at least one; undefined when empty. */
  take(max: number): Uint8Array | undefined {
    const piece = this.#pieces[this.#first];
    if (!piece || max <= 0) return undefined;
    const taken = piece.length <= max ? piece : piece.subarray(0, max);
    this.#bytes -= taken.length;
    if (taken.length < piece.length) this.#pieces[this.#first] = piece.subarray(max);
    else this.#dropFirst();
    return taken;
  }

  clear(): void {
    this.#pieces = [];
    this.#first = 0;
    this.#bytes = 0;
    this.#block = undefined;
  }

  #append(piece: Uint8Array): void {
    const block = this.#block;
    const last = this.#pieces.length - 1;
    const tail = this.#pieces[last];
    if (!block || !tail || this.#filled + piece.length > block.length) {
      this.#block = new Uint8Array(blockBytes);
      this.#block.set(piece);
      this.#filled = piece.length;
      this.#pieces.push(this.#block.subarray(0, piece.length));
      return;
    }
    block.set(piece, this.#filled);
    this.#filled += piece.length;
    this.#pieces[last] = block.subarray(tail.byteOffset - block.byteOffset, this.#filled);
  }

  #dropFirst(): void {
    this.#first++;
    if (this.#bytes === 0) this.clear();
    else if (this.#first > 64 && this.#first * 2 > this.#pieces.length) {
      this.#pieces.splice(0, this.#first);
      this.#first = 0;
    }
  }
}
