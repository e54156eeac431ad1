import { expect, test } from '@jest/globals';
import { parseDuration } from './duration.ts';

test.each([
  ['10m', 600_000],
  ['1h30m', 5_400_000],
  ['1.5h', 5_400_000],
  ['0s', 0],
  ['0', 0],
  ['500ms', 500],
  ['2d', 172_800_000],
  ['1w', 604_800_000],
])('%s is %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each(['', 'h', '10', '-1h', '1h ', ' 1h', '1h30', '1y'])('%p is no duration', (text) => {
  expect(parseDuration(text)).toBeUndefined();
});
