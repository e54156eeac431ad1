import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { encodeFrame } from './codec.ts';
import { encodeDataFrame } from './data-frame.ts';

test('a DATA frame written by hand is byte for byte what its schema says', () => {
  const streamId = fc.integer({ min: 1, max: 2 ** 32 - 1 });
  const size = fc.oneof(fc.constantFrom(0, 1, 127, 128, 16_383, 16_384, 32_768), fc.nat({ max: 32_768 }));
  fc.assert(
    fc.property(streamId, size, fc.boolean(), (id, length, end) => {
      const bytes = new Uint8Array(length).fill(7);
      const expected = encodeFrame(id, { case: 'data', value: { bytes, end } });
      expect(Buffer.from(encodeDataFrame(id, bytes, end)).equals(expected)).toBe(true);
    }),
  );
});
