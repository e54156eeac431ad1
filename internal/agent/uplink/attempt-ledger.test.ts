// An attempt that was begun is never begun again, for ten minutes and as far as the memory goes.
import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { AttemptLedger } from './attempt-ledger.ts';

describe('AttemptLedger', () => {
  test('refuses an attempt that has begun, and takes the next one of the same job', () => {
    const ledger = new AttemptLedger(new ManualClock());
    expect(ledger.begin('job', 1)).toBe(true);
    expect(ledger.begin('job', 1)).toBe(false);
    expect(ledger.begin('job', 3)).toBe(true);
    expect(ledger.begin('job', 3)).toBe(false);
    expect(ledger.begin('another', 1)).toBe(true);
  });

  test('refuses an attempt that a later one has overtaken', () => {
    const ledger = new AttemptLedger(new ManualClock());
    ledger.begin('job', 2);
    expect(ledger.begin('job', 1)).toBe(false);
  });

  test('remembers for ten minutes at least, and not for ever', async () => {
    const clock = new ManualClock();
    const ledger = new AttemptLedger(clock);
    await clock.advance(599_999);
    ledger.begin('job', 1);
    await clock.advance(1);
    ledger.begin('a', 1);
    await clock.advance(599_998);
    ledger.begin('b', 1);
    expect(ledger.begin('job', 1)).toBe(false);
    await clock.advance(2);
    ledger.begin('c', 1);
    expect(ledger.begin('job', 1)).toBe(true);
  });

  test('forgets the oldest when it is full', () => {
    const ledger = new AttemptLedger(new ManualClock(), 2);
    for (const job of ['a', 'b', 'c', 'd']) ledger.begin(job, 1);
    for (const job of ['a', 'b', 'c', 'd']) expect(ledger.begin(job, 1)).toBe(false);
    ledger.begin('e', 1);
    for (const job of ['c', 'd', 'e']) expect(ledger.begin(job, 1)).toBe(false);
    expect(ledger.begin('a', 1)).toBe(true);
  });
});
