// Encodes the three frames that carry nearly every job and nearly every byte by hand: OPEN, OPEN_OK and DATA. The
// general writer allocates and copies several times per frame, which was a fifth of the CPU of a small job; this one
// keeps its buffer. Byte for byte what the schema's own encoding is: hot-frames.test.ts compares them.
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import type { OpenRequest, RelayRequest } from './mux-api.ts';
import type { AcceptHead } from './stream-api.ts';

/** An OPEN as it leaves: the request, and what the mux adds. */
export interface OpenFrame extends OpenRequest {
  readonly window: number;
  readonly body: Uint8Array;
  readonly end: boolean;
  readonly bodyBytes: number | undefined;
}

const varint = 0;
const delimited = 2;
/** Field numbers of channel.proto and http.proto, as tags. */
const tag = (field: number, wireType: 0 | 2): number => (field << 3) | wireType;

const frame = { streamId: tag(1, varint), open: tag(4, delimited), openOk: tag(5, delimited) } as const;

let writer = new BinaryWriter();

export function encodeOpenFrame(streamId: number, open: OpenFrame): Uint8Array {
  return written(() => {
    writer.uint32(frame.streamId).uint32(streamId).uint32(frame.open).fork();
    string(1, open.exit);
    if (open.kind.case === 'http') {
      const { method, url, headers, maxRedirects, decompress, maxResponseBytes } = open.kind.value;
      writer.uint32(tag(2, delimited)).fork();
      string(1, method);
      string(2, url);
      fields(3, headers);
      number(4, maxRedirects);
      flag(5, decompress);
      if (maxResponseBytes !== 0) writer.uint32(tag(6, varint)).uint64(maxResponseBytes);
      writer.join();
    }
    number(3, open.deadlineMs);
    string(4, open.jobId);
    number(5, open.attempt);
    flag(6, open.idempotent);
    bytes(7, open.isolationKey);
    string(8, open.traceparent);
    number(9, open.window);
    bytes(10, open.body);
    flag(11, open.end);
    if (open.bodyBytes !== undefined) writer.uint32(tag(12, varint)).uint32(open.bodyBytes);
    if (open.relay) relay(13, open.relay);
    writer.join();
  });
}

export function encodeOpenOkFrame(streamId: number, head: AcceptHead): Uint8Array {
  return written(() => {
    writer.uint32(frame.streamId).uint32(streamId).uint32(frame.openOk).fork();
    number(1, head.statusCode);
    fields(2, head.headers);
    string(3, head.finalUrl);
    if (head.timings) timings(4, head.timings);
    bytes(5, head.body);
    flag(6, head.end);
    if (head.exitId) string(7, head.exitId);
    writer.join();
  });
}

/** What stands half written is dropped with its writer. */
function written(write: () => void): Uint8Array {
  try {
    write();
    return writer.finish();
  } catch (error) {
    writer = new BinaryWriter();
    throw error;
  }
}

function relay(field: number, { tenant, target, triedExitIds }: RelayRequest): void {
  writer.uint32(tag(field, delimited)).fork();
  string(1, tenant);
  writer.uint32(tag(2, delimited)).fork();
  string(1, target.country);
  string(2, target.region);
  string(3, target.city);
  number(4, target.asn);
  string(5, target.exitId);
  for (const [name, value] of target.labels) label(6, name, value);
  writer.join();
  for (const exitId of triedExitIds) writer.uint32(tag(3, delimited)).string(exitId);
  writer.join();
}

/** The entry of a map names both its halves, empty or not. */
function label(field: number, name: string, value: string): void {
  writer.uint32(tag(field, delimited)).fork();
  writer.uint32(tag(1, delimited)).string(name);
  writer.uint32(tag(2, delimited)).string(value);
  writer.join();
}

function timings(field: number, times: NonNullable<AcceptHead['timings']>): void {
  writer.uint32(tag(field, delimited)).fork();
  number(1, times.dnsUs);
  number(2, times.connectUs);
  number(3, times.tlsUs);
  number(4, times.firstByteUs);
  writer.join();
}

function fields(field: number, list: AcceptHead['headers']): void {
  for (const { name, value } of list) {
    writer.uint32(tag(field, delimited)).fork();
    string(1, name);
    string(2, value);
    writer.join();
  }
}

// As in proto3, what is empty or zero is left out.

function string(field: number, value: string): void {
  if (value !== '') writer.uint32(tag(field, delimited)).string(value);
}

function bytes(field: number, value: Uint8Array): void {
  if (value.length > 0) writer.uint32(tag(field, delimited)).bytes(value);
}

function number(field: number, value: number): void {
  if (value !== 0) writer.uint32(tag(field, varint)).uint32(value);
}

function flag(field: number, value: boolean): void {
  if (value) writer.uint32(tag(field, varint)).bool(true);
}

// DATA is bytes with a few in front: those are written straight into the frame.

const dataFrame = { streamId: 0x08, data: 0x12, bytes: 0x0a, end: 0x10 } as const;

export function encodeDataFrame(streamId: number, body: Uint8Array, end: boolean): Uint8Array {
  const bodySize = body.length === 0 ? 0 : 1 + varintSize(body.length) + body.length;
  const dataSize = bodySize + (end ? 2 : 0);
  const target = Buffer.allocUnsafe(1 + varintSize(streamId) + 1 + varintSize(dataSize) + dataSize);
  let at = 0;
  target[at++] = dataFrame.streamId;
  at = writeVarint(target, at, streamId);
  target[at++] = dataFrame.data;
  at = writeVarint(target, at, dataSize);
  if (body.length > 0) {
    target[at++] = dataFrame.bytes;
    at = writeVarint(target, at, body.length);
    target.set(body, at);
    at += body.length;
  }
  if (end) {
    target[at++] = dataFrame.end;
    target[at] = 1;
  }
  return target;
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
