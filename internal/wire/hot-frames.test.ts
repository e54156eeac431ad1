import { create } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { HttpOpenSchema, OpenSchema, RelaySchema } from '../../gen/resproxy/v1/channel_pb.ts';
import { HeaderSchema } from '../../gen/resproxy/v1/http_pb.ts';
import { TargetSchema } from '../../gen/resproxy/v1/target_pb.ts';
import { encodeFrame } from './codec.ts';
import { encodeDataFrame, encodeOpenFrame, encodeOpenOkFrame, type OpenFrame } from './hot-frames.ts';

const uint32 = fc.oneof(
  fc.constantFrom(0, 1, 127, 128, 2 ** 31, 2 ** 32 - 1),
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
);
const streamId = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const body = fc
  .oneof(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 32_768), fc.nat({ max: 32_768 }))
  .map((n) => new Uint8Array(n).fill(7));
const text = fc.string({ unit: 'binary', maxLength: 300 });
const headers = fc.array(
  fc.record({ name: text, value: text }).map((header) => create(HeaderSchema, header)),
  { maxLength: 20 },
);
const timings = fc.record({ dnsUs: uint32, connectUs: uint32, tlsUs: uint32, firstByteUs: uint32 });

/** Compares with the schema's own encoding. */
function expectSame(actual: Uint8Array, ...expected: Parameters<typeof encodeFrame>): void {
  expect(Buffer.from(actual).equals(encodeFrame(...expected))).toBe(true);
}

test('a DATA frame written by hand is byte for byte what its schema says', () => {
  fc.assert(
    fc.property(streamId, body, fc.boolean(), (id, bytes, end) => {
      expectSame(encodeDataFrame(id, bytes, end), id, { case: 'data', value: { bytes, end } });
    }),
  );
});

test('an OPEN_OK frame written by hand is byte for byte what its schema says', () => {
  const head = fc.record({
    statusCode: uint32,
    headers,
    finalUrl: text,
    timings: fc.option(timings, { nil: undefined }),
    body,
    end: fc.boolean(),
    exitId: text,
  });
  fc.assert(
    fc.property(streamId, head, (id, value) => {
      const { timings: times, ...rest } = value;
      expectSame(encodeOpenOkFrame(id, value), id, {
        case: 'openOk',
        value: times ? { ...rest, timings: times } : rest,
      });
    }),
  );
});

test('an OPEN frame written by hand is byte for byte what its schema says', () => {
  const http = fc
    .record({
      method: text,
      url: text,
      headers,
      maxRedirects: uint32,
      decompress: fc.boolean(),
      maxResponseBytes: fc.maxSafeNat(),
    })
    .map((value) => ({ case: 'http' as const, value }));
  const relay = fc.record({
    tenant: text,
    target: fc.record({
      country: text,
      region: text,
      city: text,
      asn: uint32,
      exitId: text,
      labels: fc.dictionary(text, text, { maxKeys: 5 }).map((labels) => new Map(Object.entries(labels))),
    }),
    triedExitIds: fc.array(text, { maxLength: 5 }),
  });
  const open = fc.record({
    exit: text,
    kind: fc.oneof(http, fc.constant({ case: undefined })),
    deadlineMs: uint32,
    jobId: text,
    attempt: uint32,
    idempotent: fc.boolean(),
    isolationKey: fc.uint8Array({ maxLength: 40 }),
    traceparent: text,
    window: uint32,
    body,
    end: fc.boolean(),
    bodyBytes: fc.option(uint32, { nil: undefined }),
    relay: fc.option(relay, { nil: undefined }),
  });
  fc.assert(
    fc.property(streamId, open, (id, value) => {
      expectSame(encodeOpenFrame(id, value), id, { case: 'open', value: schemaOf(value) });
    }),
  );
});

/** The same OPEN as the library wants it. */
function schemaOf({ kind, bodyBytes, relay, ...rest }: OpenFrame) {
  const open = create(OpenSchema, rest);
  if (kind.case === 'http') {
    const { headers: list, maxResponseBytes, ...http } = kind.value;
    const fields = list.map((header) => create(HeaderSchema, header));
    const value = create(HttpOpenSchema, { ...http, headers: fields, maxResponseBytes: BigInt(maxResponseBytes) });
    open.kind = { case: 'http', value };
  }
  if (bodyBytes !== undefined) open.bodyBytes = bodyBytes;
  if (relay) {
    const { tenant, triedExitIds } = relay;
    const target = create(TargetSchema, { ...relay.target, labels: Object.fromEntries(relay.target.labels) });
    open.relay = create(RelaySchema, { tenant, target, triedExitIds: [...triedExitIds] });
  }
  return open;
}

test('a frame that cannot be written leaves nothing behind for the next one', () => {
  const head = { statusCode: 200, headers: [], finalUrl: '', timings: undefined, body: new Uint8Array(), end: true };
  expect(() => encodeOpenOkFrame(1, { ...head, statusCode: -1 })).toThrow();
  expectSame(encodeOpenOkFrame(1, head), 1, { case: 'openOk', value: { statusCode: 200, end: true } });
});
