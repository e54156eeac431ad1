import { fromBinary } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { FrameSchema } from '../../gen/resproxy/v1/channel_pb.ts';
import { readOpenOkFrame } from './hot-answers.ts';
import { encodeDataFrame, encodeOpenOkFrame } from './hot-frames.ts';

const small = fc.integer({ min: 0, max: 2 ** 28 - 1 });
const ascii = fc.string({ unit: 'binary-ascii', maxLength: 60 });
const timings = fc.record({ dnsUs: small, connectUs: small, tlsUs: small, firstByteUs: small });
const frame = fc
  .record({
    streamId: small,
    statusCode: small,
    headers: fc.array(fc.record({ name: ascii, value: ascii }), { maxLength: 6 }),
    finalUrl: ascii,
    timings: fc.option(timings, { nil: undefined }),
    body: fc.uint8Array({ maxLength: 60 }),
    end: fc.boolean(),
    exitId: ascii,
  })
  .map(({ streamId, headers, ...head }) => {
    const list = headers.map((header) => ({ $typeName: 'resproxy.v1.Header' as const, ...header }));
    return Buffer.from(encodeOpenOkFrame(streamId, { ...head, headers: list }));
  });

test('an OPEN_OK is read as its schema reads it', () => {
  fc.assert(
    fc.property(frame, (bytes) => {
      expect(readOpenOkFrame(bytes)).toStrictEqual(fromBinary(FrameSchema, bytes));
    }),
  );
});

test('of bytes that went wrong nothing is read that the schema would refuse, or read in another way', () => {
  const damage = fc.array(fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) }), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(frame, damage, fc.nat({ max: 3 }), (bytes, wounds, cut) => {
      for (const { at, byte } of wounds) bytes[at % bytes.length] = byte;
      const wounded = bytes.subarray(0, bytes.length - cut);
      const read = readOpenOkFrame(wounded);
      if (read) expect(read).toStrictEqual(fromBinary(FrameSchema, wounded));
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['another frame', Buffer.from(encodeDataFrame(1, Buffer.from('x'), true))],
  ['a field of a later version', Buffer.from('08012a027801', 'hex')],
  ['a letter beyond ASCII', Buffer.from(encodeOpenOkFrame(1, { ...emptyHead(), finalUrl: 'http://b\u00fccher/' }))],
  ['nothing', Buffer.alloc(0)],
])('%s is left to the schema', (_, bytes) => {
  expect(readOpenOkFrame(bytes)).toBeUndefined();
});

function emptyHead() {
  return {
    statusCode: 200,
    headers: [],
    finalUrl: '',
    timings: undefined,
    body: new Uint8Array(),
    end: true,
    exitId: '',
  };
}
