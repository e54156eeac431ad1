import { expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { channelLimits } from './channel-limits.ts';
import { FailureBudget } from './failure-budget.ts';

const { failureBurst, failureForgivenMs } = channelLimits;
const allowance = { burst: failureBurst, forgivenMs: failureForgivenMs };

test('an address has a burst of failures, then one per time of forgiveness', async () => {
  const clock = new ManualClock();
  const budget = new FailureBudget(clock, allowance);
  const within = (address: string) => budget.spend(address) === undefined;
  const spent = (count: number) => Array.from({ length: count }, () => within('192.0.2.1'));
  expect(spent(failureBurst)).not.toContain(false);
  expect(spent(3)).toEqual([false, false, false]);
  await clock.advance(failureForgivenMs);
  expect(spent(2)).toEqual([true, false]);
  expect(within('192.0.2.2')).toBe(true);
});

test('trying on while over the budget does not postpone forgiveness', async () => {
  const clock = new ManualClock();
  const budget = new FailureBudget(clock, allowance);
  const within = (address: string) => budget.spend(address) === undefined;
  for (let i = 0; i < failureBurst; i++) budget.spend('192.0.2.1');
  for (let i = 0; i < 4; i++) {
    expect(within('192.0.2.1')).toBe(false);
    await clock.advance(failureForgivenMs / 4);
  }
  expect(within('192.0.2.1')).toBe(true);
});
