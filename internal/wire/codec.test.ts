import { create, equals } from '@bufbuild/protobuf';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameSchema } from '../../gen/resproxy/v1/channel_pb.ts';
import type { FailureCode } from '../../gen/resproxy/v1/failure_pb.ts';
import { decodeFrame, encodeFrame, type FrameBodyInit, ProtocolError } from './codec.ts';
import { limits } from './limits.ts';

const bytes = fc.uint8Array({ maxLength: 200 });
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const header = fc.record({ name: fc.string(), value: fc.string({ unit: 'grapheme' }) });

const body = fc.oneof(
  fc.record({ case: fc.constant('data' as const), value: fc.record({ bytes, end: fc.boolean() }) }),
  fc.record({ case: fc.constant('credit' as const), value: fc.record({ bytes: uint32 }) }),
  fc.record({ case: fc.constant('ping' as const), value: fc.record({ nonce: uint32 }) }),
  fc.record({
    case: fc.constant('openErr' as const),
    value: fc.record({ code: fc.constantFrom<FailureCode>(1, 46, 93) }),
  }),
  fc.record({
    case: fc.constant('openOk' as const),
    value: fc.record({
      statusCode: uint32,
      headers: fc.array(header, { maxLength: 5 }),
      finalUrl: fc.string(),
      body: bytes,
      end: fc.boolean(),
    }),
  }),
);

describe('the frame codec', () => {
  test('decodes what it encoded', () => {
    fc.assert(
      fc.property(uint32, body, (streamId, value: FrameBodyInit) => {
        const frame = decodeFrame(encodeFrame(streamId, value));
        expect(equals(FrameSchema, frame, create(FrameSchema, { streamId, body: value }))).toBe(true);
      }),
    );
  });

  test('answers any bytes with a frame or a protocol error, and with nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (garbage) => {
        try {
          decodeFrame(garbage);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  test('survives every truncation and every flipped bit of a real frame', () => {
    const frame = encodeFrame(7, {
      case: 'openOk',
      value: { statusCode: 200, headers: [{ name: 'a', value: 'b' }], body: new Uint8Array(40) },
    });
    for (let i = 0; i < frame.length * 8; i++) {
      const mutated = frame.slice();
      mutated[i >> 3] = (mutated[i >> 3] ?? 0) ^ (1 << (i & 7));
      for (const candidate of [mutated, frame.subarray(0, i >> 3)]) {
        try {
          decodeFrame(candidate);
        } catch (error) {
          expect(error).toBeInstanceOf(ProtocolError);
        }
      }
    }
  });

  test('refuses a frame above the agreed size by its own close code', () => {
    expect(() => decodeFrame(new Uint8Array(limits.maxFrameBytes + 1))).toThrow(
      expect.objectContaining({ closeCode: 4413 }),
    );
  });
});
