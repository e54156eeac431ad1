import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { silence } from '../dispatch/fake-links.ts';
import { AnswerBody } from './answer-body.ts';
import { queueing } from './queue-fixture.ts';
import { queueLimits } from './queue-limits.ts';

async function sent() {
  const queue = queueing([silence]);
  await queue.submit();
  const { held, claimed } = await queue.claimOne();
  await held.record((store, lease) => store.dispatched(lease, 'a/default/direct'));
  return { ...queue, held, claimed, body: new AnswerBody(held) };
}

const { chunkBytes } = queueLimits;

test('however a body arrives, it is kept in chunks of one size, in order, and whole', async () => {
  const pieces = fc.array(fc.integer({ min: 0, max: 2 * chunkBytes + 1 }), { maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(pieces, async (sizes) => {
      const { body, held, claimed, inner } = await sent();
      let next = 0;
      const whole: Uint8Array[] = sizes.map((size) => Uint8Array.from({ length: size }, () => next++));
      for (const piece of whole) await body.add(piece);
      await body.flush();
      const attempt = { attempt: 1, exitId: 'a/default/direct', failure: null, durationMs: 1 };
      const { bytes: bodyBytes, chunks } = body;
      await held.record((store, lease) =>
        store.finish(lease, { state: 'SUCCEEDED', attempt, meta: Buffer.of(), bodyBytes, chunks }),
      );
      const kept: Uint8Array[] = [];
      for (let i = 0; i < chunks; i++) kept.push((await inner.resultChunk(claimed.lease, i)) ?? Buffer.of());
      expect(kept.every(({ length }) => length > 0 && length <= chunkBytes)).toBe(true);
      expect(Buffer.concat(kept).equals(Buffer.concat(whole))).toBe(true);
      expect(bodyBytes).toBe(next);
    }),
    { numRuns: 15 },
  );
});

test('nothing is kept of an empty one', async () => {
  const { body, faults } = await sent();
  await body.add(Buffer.of());
  await body.flush();
  expect([body.bytes, body.chunks, faults.times('putChunk')]).toEqual([0, 0, 0]);
});

test('a store that is full is a failure of the attempt, whose answer is known to have come', async () => {
  const { body, faults } = await sent();
  faults.fail('putChunk', 'STORE_FULL');
  await body.add(Buffer.from('small'));
  await expect(body.flush()).rejects.toMatchObject({ code: 'STORE_FULL', execution: 'DONE' });
});
