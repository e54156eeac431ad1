// Reads OPEN_OK by hand, the frame with which nearly every answer comes back: the counterpart of hot-frames.ts. What is
// in any way unusual, down to a letter beyond ASCII, is left to the schema's own reader, so that nothing is accepted here
// that would be refused there. What is read is the same object: hot-answers.test.ts compares them.
import type { Frame, OpenOk } from '../../gen/resproxy/v1/channel_pb.ts';
import type { Header, Timings } from '../../gen/resproxy/v1/http_pb.ts';

const varint = 0;
const delimited = 2;
const tag = (field: number, wireType: 0 | 2): number => (field << 3) | wireType;

const frame = { streamId: tag(1, varint), openOk: tag(5, delimited) } as const;
const head = {
  statusCode: tag(1, varint),
  header: tag(2, delimited),
  finalUrl: tag(3, delimited),
  timings: tag(4, delimited),
  body: tag(5, delimited),
  end: tag(6, varint),
  exitId: tag(7, delimited),
} as const;
const header = { name: tag(1, delimited), value: tag(2, delimited) } as const;
const times = { dnsUs: tag(1, varint), connectUs: tag(2, varint), tlsUs: tag(3, varint), firstByteUs: tag(4, varint) };

/** Thrown for what the schema's own reader is to judge. */
const unusual = new Error('unusual');

/** Undefined when it is another frame, or an unusual one. The body is a view into `bytes`. */
export function readOpenOkFrame(bytes: Uint8Array): Frame | undefined {
  if (!Buffer.isBuffer(bytes) || bytes[0] !== frame.streamId) return undefined;
  try {
    return new Reader(bytes).frame();
  } catch (error) {
    if (error === unusual) return undefined;
    throw error;
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  frame(): Frame {
    this.#at = 1;
    const streamId = this.#number();
    if (this.#number() !== frame.openOk || this.#end() !== this.#bytes.length) throw unusual;
    return { $typeName: 'resproxy.v1.Frame', streamId, body: { case: 'openOk', value: this.#head() } };
  }

  #head(): OpenOk {
    const read: OpenOk = {
      $typeName: 'resproxy.v1.OpenOk',
      statusCode: 0,
      headers: [],
      finalUrl: '',
      body: new Uint8Array(),
      end: false,
      exitId: '',
    };
    while (this.#at < this.#bytes.length) this.#field(read);
    return read;
  }

  #field(read: OpenOk): void {
    switch (this.#number()) {
      case head.statusCode:
        read.statusCode = this.#number();
        return;
      case head.header:
        read.headers.push(this.#header(this.#end()));
        return;
      case head.finalUrl:
        read.finalUrl = this.#text();
        return;
      case head.timings:
        if (read.timings) throw unusual;
        read.timings = this.#timings(this.#end());
        return;
      case head.body:
        read.body = this.#view();
        return;
      case head.end:
        read.end = this.#number() !== 0;
        return;
      case head.exitId:
        read.exitId = this.#text();
        return;
      default:
        throw unusual;
    }
  }

  #header(end: number): Header {
    const read: Header = { $typeName: 'resproxy.v1.Header', name: '', value: '' };
    while (this.#at < end) {
      const field = this.#number();
      if (field === header.name) read.name = this.#text();
      else if (field === header.value) read.value = this.#text();
      else throw unusual;
    }
    if (this.#at !== end) throw unusual;
    return read;
  }

  #timings(end: number): Timings {
    const read: Timings = {
      $typeName: 'resproxy.v1.Timings',
      dnsUs: 0,
      connectUs: 0,
      tlsUs: 0,
      firstByteUs: 0,
      totalUs: 0,
    };
    while (this.#at < end) {
      const field = this.#number();
      if (field === times.dnsUs) read.dnsUs = this.#number();
      else if (field === times.connectUs) read.connectUs = this.#number();
      else if (field === times.tlsUs) read.tlsUs = this.#number();
      else if (field === times.firstByteUs) read.firstByteUs = this.#number();
      else throw unusual;
    }
    if (this.#at !== end) throw unusual;
    return read;
  }

  /** Up to 28 bits: more is unusual. */
  #number(): number {
    let value = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw unusual;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
    throw unusual;
  }

  /** Where the field ends whose length stands here. */
  #end(): number {
    const length = this.#number();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw unusual;
    return end;
  }

  #view(): Uint8Array {
    const end = this.#end();
    const view = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  #text(): string {
    const end = this.#end();
    const from = this.#at;
    for (let at = from; at < end; at++) if ((this.#bytes[at] ?? 128) > 127) throw unusual;
    this.#at = end;
    return this.#bytes.toString('latin1', from, end);
  }
}
