import { describe, expect, test } from '@jest/globals';
import { fullJitterMs, narrowJitterMs } from './backoff.ts';

describe('backoff', () => {
  test('with full jitter spreads from nothing to the doubled base, up to its bound', () => {
    expect(fullJitterMs(0, 500, 30_000, () => 0)).toBe(0);
    expect(fullJitterMs(3, 500, 30_000, () => 0.5)).toBe(2_000);
    expect(fullJitterMs(10, 500, 30_000, () => 0.999)).toBeLessThan(30_000);
    expect(fullJitterMs(10_000, 500, 30_000, () => 0.5)).toBe(15_000);
  });

  test('with narrow jitter stays within a fifth of the doubled base', () => {
    expect(narrowJitterMs(0, 100, 2_000, () => 0)).toBeCloseTo(80);
    expect(narrowJitterMs(2, 100, 2_000, () => 1)).toBeCloseTo(480);
    expect(narrowJitterMs(50, 100, 2_000, () => 0.5)).toBeCloseTo(2_000);
  });
});
