import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ByteQueue } from './byte-queue.ts';

function drain(queue: ByteQueue, max: number): Buffer {
  const parts: Uint8Array[] = [];
  for (let part = queue.take(max); part; part = queue.take(max)) parts.push(part);
  return Buffer.concat(parts);
}

describe('ByteQueue', () => {
  test('gives back exactly what was put in, in order, whatever the sizes', () => {
    const operations = fc.array(fc.oneof(fc.uint8Array({ maxLength: 900 }), fc.integer({ min: 1, max: 700 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(operations, (steps) => {
        const queue = new ByteQueue();
        const put: Uint8Array[] = [];
        const got: Uint8Array[] = [];
        for (const step of steps) {
          if (typeof step === 'number') {
            const taken = queue.take(step);
            if (taken) got.push(taken);
            expect(taken?.length ?? 0).toBeLessThanOrEqual(step);
          } else {
            queue.push(step);
            put.push(step.slice());
          }
        }
        got.push(drain(queue, 333));
        expect(Buffer.concat(got).equals(Buffer.concat(put))).toBe(true);
        expect(queue.bytes).toBe(0);
      }),
    );
  });

  test('keeps large pieces as the views they came in', () => {
    const queue = new ByteQueue();
    const piece = new Uint8Array(2000);
    queue.push(piece);
    expect(queue.take(5000)).toBe(piece);
  });

  test('copies a pile of tiny pieces together, so that a flood of one-byte frames stays small', () => {
    const queue = new ByteQueue();
    for (let i = 0; i < 10_000; i++) queue.push(Uint8Array.of(i & 255));
    let pieces = 0;
    while (queue.take(65_536)) pieces++;
    expect(pieces).toBeLessThan(10);
  });
});
