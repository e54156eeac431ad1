// Encodes DATA by hand: it is nearly all the bytes of a bulk answer, and the general writer copies them several times.
// Byte for byte what the schema's own encoding is (data-frame.test.ts compares the two).

const streamIdTag = 0x08; // Frame.stream_id = 1, varint
const dataTag = 0x12; // Frame.data = 2, length-delimited
const bytesTag = 0x0a; // Data.bytes = 1, length-delimited
const endTag = 0x10; // Data.end = 2, varint

export function encodeDataFrame(streamId: number, bytes: Uint8Array, end: boolean): Uint8Array {
  const bytesSize = bytes.length === 0 ? 0 : 1 + varintSize(bytes.length) + bytes.length;
  const dataSize = bytesSize + (end ? 2 : 0);
  const frame = Buffer.allocUnsafe(1 + varintSize(streamId) + 1 + varintSize(dataSize) + dataSize);
  let at = 0;
  frame[at++] = streamIdTag;
  at = writeVarint(frame, at, streamId);
  frame[at++] = dataTag;
  at = writeVarint(frame, at, dataSize);
  if (bytes.length > 0) {
    frame[at++] = bytesTag;
    at = writeVarint(frame, at, bytes.length);
    frame.set(bytes, at);
    at += bytes.length;
  }
  if (end) {
    frame[at++] = endTag;
    frame[at] = 1;
  }
  return frame;
}

function varintSize(value: number): number {
  let size = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) size++;
  return size;
}

function writeVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let position = at;
  for (; rest > 127; rest >>>= 7) target[position++] = (rest & 127) | 128;
  target[position++] = rest;
  return position;
}
