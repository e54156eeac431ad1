import { expect, test } from '@jest/globals';
import { queueLimits } from './queue-limits.ts';
import { retryAfterMs } from './retry-after.ts';

const wallMs = Date.parse('Wed, 21 Oct 2015 07:28:00 GMT');
const asked = (value: string) => retryAfterMs([{ name: 'Retry-After', value }], wallMs);

test.each([
  ['7', 7_000],
  [' 0 ', 0],
  ['Wed, 21 Oct 2015 07:28:30 GMT', 30_000],
  ['Wed, 21 Oct 2015 07:00:00 GMT', 0],
  ['soon', 0],
  ['-5', 0],
  ['1.5e3', 0],
  ['999999999', queueLimits.maxRetryAfterMs],
])('Retry-After: %s is %d ms', (value, ms) => {
  expect(asked(value)).toBe(ms);
});

test('an answer without it asks nothing', () => {
  expect(retryAfterMs([{ name: 'date', value: '7' }], wallMs)).toBe(0);
});
