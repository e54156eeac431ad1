// Just enough of HTTP/2 (RFC 9113) to write requests byte by byte: frames, header blocks of literals without a table,
// and a reader that sees PING acknowledgements and GOAWAY.

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const frameType = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goAway: 7, windowUpdate: 8 } as const;
const flag = { ack: 1, endStream: 1, endHeaders: 4 } as const;
const headBytes = 9;

export interface RequestOptions {
  readonly streamId: number;
  readonly path: string;
  readonly authorization?: string;
  /** Of the protobuf request; undefined: headers alone. */
  readonly message?: Uint8Array;
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(headBytes);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function settings(): Buffer {
  return frame(frameType.settings, 0, 0, Buffer.alloc(0));
}

export function ping(nonce: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(nonce, 4);
  return frame(frameType.ping, 0, 0, payload);
}

/** HEADERS and, with a message, one DATA frame that ends the request. */
export function grpcRequest({ streamId, path, authorization, message }: RequestOptions): Buffer {
  const headers: [string, string][] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', '127.0.0.1'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ['grpc-timeout', '2S'],
  ];
  if (authorization !== undefined) headers.push(['authorization', authorization]);
  const head = frame(frameType.headers, flag.endHeaders, streamId, Buffer.concat(headers.map(literal)));
  if (message === undefined) return head;
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, frame(frameType.data, flag.endStream, streamId, Buffer.concat([prefix, message]))]);
}

/** RFC 7541 6.2.2: a literal that is not indexed, name and value in plain bytes. */
function literal([name, value]: readonly [string, string]): Buffer {
  return Buffer.concat([Buffer.of(0), hpackString(name), hpackString(value)]);
}

function hpackString(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  const rest = bytes.length - 127;
  if (rest < 0) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = rest < 128 ? [rest] : [(rest & 127) | 128, rest >> 7];
  return Buffer.concat([Buffer.of(127, ...length), bytes]);
}

/** Tells of each whole frame in what arrives. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);
  readonly #onFrame: (type: number, flags: number, payload: Buffer) => void;

  constructor(onFrame: (type: number, flags: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  push(bytes: Buffer): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (rest.length >= headBytes) {
      const end = headBytes + rest.readUIntBE(0, 3);
      if (rest.length < end) break;
      this.#onFrame(rest.readUInt8(3), rest.readUInt8(4), rest.subarray(headBytes, end));
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }
}

/** The nonce of an acknowledged ping. */
export function acknowledged(type: number, flags: number, payload: Buffer): number | undefined {
  return type === frameType.ping && (flags & flag.ack) !== 0 ? payload.readUInt32BE(4) : undefined;
}
