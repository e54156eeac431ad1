import { create, toBinary } from '@bufbuild/protobuf';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RunJobResponseSchema, StreamJobResponseSchema } from '../../../../gen/resproxy/v1/job_pb.ts';
import { encodeRunJobResponse, encodeStreamJobResponse } from './fast-response.ts';

const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const text = fc.string({ unit: 'grapheme', maxLength: 200 });
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });
const response = fc.record({
  jobId: text,
  response: optional(
    fc.record({
      statusCode: uint32,
      headers: fc.array(fc.record({ name: text, value: text }), { maxLength: 12 }),
      body: fc.uint8Array({ maxLength: 5_000 }),
      finalUrl: text,
    }),
  ),
  exit: optional(fc.record({ exitId: text, agentId: text, country: text, region: text, city: text, asn: uint32 })),
  attempts: fc.array(
    fc.record({
      exitId: text,
      code: fc.constantFrom(0, 46, 93),
      execution: fc.constantFrom(0, 1, 2, 3),
      duration: optional(
        fc.record({ seconds: fc.bigInt({ min: 0n, max: 2n ** 62n }), nanos: fc.integer({ min: 0, max: 999_999_999 }) }),
      ),
    }),
    { maxLength: 3 },
  ),
  timings: optional(
    fc.record({ dnsUs: uint32, connectUs: uint32, tlsUs: uint32, firstByteUs: uint32, totalUs: uint32 }),
  ),
});

test('RunJobResponse has the bytes that its schema says', () => {
  fc.assert(
    fc.property(response, (init) => {
      const message = create(RunJobResponseSchema, init as never);
      expect(Buffer.from(encodeRunJobResponse(message))).toEqual(Buffer.from(toBinary(RunJobResponseSchema, message)));
    }),
  );
});

test('a body of any size has too', () => {
  for (const size of [0, 1, 32 * 1024, 64 * 1024, 64 * 1024 + 1, 1024 * 1024]) {
    const body = Buffer.alloc(size, 7);
    const message = create(RunJobResponseSchema, { response: { body } });
    expect(Buffer.compare(encodeRunJobResponse(message), toBinary(RunJobResponseSchema, message))).toBe(0);
    const piece = create(StreamJobResponseSchema, { event: { case: 'body', value: body } });
    expect(Buffer.compare(encodeStreamJobResponse(piece), toBinary(StreamJobResponseSchema, piece))).toBe(0);
  }
});

test('events other than the body have too', () => {
  const message = create(StreamJobResponseSchema, { event: { case: 'head', value: { statusCode: 200 } } });
  expect(encodeStreamJobResponse(message)).toEqual(toBinary(StreamJobResponseSchema, message));
});

test('a message that cannot be encoded leaves nothing in the next one', () => {
  const wrong = create(RunJobResponseSchema, { jobId: 'wrong', timings: { totalUs: -1 } });
  expect(() => encodeRunJobResponse(wrong)).toThrow();
  const right = create(RunJobResponseSchema, { jobId: 'right' });
  expect(encodeRunJobResponse(right)).toEqual(toBinary(RunJobResponseSchema, right));
});
