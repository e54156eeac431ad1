import { describe, expect, test } from '@jest/globals';
import { isOvertaken, mustYield } from './instances.ts';

const of = (instanceId: string, connectSeq: bigint, leaving = false) => ({ instanceId, connectSeq, leaving });

describe('two connections of one agent id', () => {
  test.each([
    ['a later one of the same process goes on', of('a', 2n), of('a', 1n), false],
    ['an earlier one of the same process was overtaken', of('a', 1n), of('a', 2n), true],
    ['the same one twice was overtaken', of('a', 1n), of('a', 1n), true],
    ['another process goes on, whatever its count', of('b', 1n), of('a', 9n), false],
  ])('%s', (_what, newcomer, present, overtaken) => {
    expect(isOvertaken(newcomer, present)).toBe(overtaken);
  });

  test.each([
    ['one of another process yields', of('a', 1n), true],
    ['one of another process yields although it leaves', of('a', 1n, true), true],
    ['one of the same process yields: its agent gave it up', of('b', 1n), true],
    ['one of the same process that leaves may finish', of('b', 1n, true), false],
  ])('%s', (_what, present, yields) => {
    expect(mustYield(present, of('b', 2n))).toBe(yields);
  });
});
