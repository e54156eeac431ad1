// gRPC's message framing: one byte that says whether the message is compressed, four with its length, the message. Cuts
// the bytes of a call into messages; what lies whole in one chunk is handed on as a view of it.
import { type CloseCode, closeCode } from '../../wire/names.ts';

export const prefixBytes = 5;

export interface MessageListener {
  onMessage(message: Uint8Array): void;
  /** What came is no message that may be read here; nothing follows. */
  onFault(code: CloseCode, reason: string): void;
}

/** Writes the prefix of a message of `length` bytes, and says where the message goes. */
export function writePrefix(target: Buffer, at: number, length: number): number {
  target[at] = 0;
  target.writeUInt32BE(length, at + 1);
  return at + prefixBytes;
}

export class MessageReader {
  readonly #maxBytes: number;
  readonly #listener: MessageListener;
  /** A prefix that came in pieces. */
  readonly #prefix = Buffer.alloc(prefixBytes);
  #prefixFilled = 0;
  /** A message that came in pieces. */
  #message: Buffer | undefined;
  #messageFilled = 0;
  #stopped = false;

  constructor(maxBytes: number, listener: MessageListener) {
    this.#maxBytes = maxBytes;
    this.#listener = listener;
  }

  /** Nothing more is handed on, not even of the chunk that is being read. */
  stop(): void {
    this.#stopped = true;
  }

  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && !this.#stopped) {
      if (this.#message) at = this.#fill(this.#message, chunk, at);
      else if (this.#prefixFilled === 0 && chunk.length - at >= prefixBytes) at = this.#begin(chunk, at, chunk);
      else at = this.#fillPrefix(chunk, at);
    }
  }

  #fillPrefix(chunk: Buffer, at: number): number {
    const copied = chunk.copy(this.#prefix, this.#prefixFilled, at);
    this.#prefixFilled += copied;
    if (this.#prefixFilled < prefixBytes) return at + copied;
    this.#prefixFilled = 0;
    return this.#begin(this.#prefix, 0, chunk, at + copied);
  }

  /** A whole prefix stands at `prefixAt`; answers where to go on in the chunk. */
  #begin(prefix: Buffer, prefixAt: number, chunk: Buffer, at = prefixAt + prefixBytes): number {
    if (prefix[prefixAt] !== 0) return this.#fault(closeCode.protocolError, 'a compressed message', chunk);
    const length = prefix.readUInt32BE(prefixAt + 1);
    if (length > this.#maxBytes) {
      return this.#fault(closeCode.frameTooLarge, `frame larger than ${this.#maxBytes} bytes`, chunk);
    }
    if (chunk.length - at >= length) {
      this.#listener.onMessage(chunk.subarray(at, at + length));
      return at + length;
    }
    this.#message = Buffer.allocUnsafe(length);
    this.#messageFilled = 0;
    return at;
  }

  #fill(message: Buffer, chunk: Buffer, at: number): number {
    const copied = chunk.copy(message, this.#messageFilled, at);
    this.#messageFilled += copied;
    if (this.#messageFilled === message.length) {
      this.#message = undefined;
      this.#listener.onMessage(message);
    }
    return at + copied;
  }

  #fault(code: CloseCode, reason: string, chunk: Buffer): number {
    this.#stopped = true;
    this.#listener.onFault(code, reason);
    return chunk.length;
  }
}
