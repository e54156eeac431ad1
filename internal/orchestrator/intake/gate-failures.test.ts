import { expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { FailureBudget } from '../channel/failure-budget.ts';
import { callAllowance } from './gate.ts';

function spendAll(budget: FailureBudget, address: string): number {
  for (let spent = 0; spent < 1_000; spent++) if (budget.spend(address)) return spent;
  throw new Error('the budget has no end');
}

test('an address may fail a hundred times at once, and again once a minute has passed', async () => {
  const clock = new ManualClock();
  const budget = new FailureBudget(clock, callAllowance);
  expect(spendAll(budget, '192.0.2.1')).toBe(100);
  expect(budget.spend('192.0.2.1')).toEqual({ retryAfterMs: 600 });
  await clock.advance(600);
  expect(budget.spend('192.0.2.1')).toBeUndefined();
  await clock.advance(60_000);
  expect(spendAll(budget, '192.0.2.1')).toBe(100);
});

test('one address does not spend the budget of another, but a subscriber has one for all of its /64', () => {
  const budget = new FailureBudget(new ManualClock(), callAllowance);
  spendAll(budget, '192.0.2.1');
  expect(budget.spend('192.0.2.2')).toBeUndefined();
  spendAll(budget, '2001:db8::1');
  expect(budget.spend('2001:db8::2')).toBeDefined();
});

test('addresses without end are forgotten, the oldest first', () => {
  const budget = new FailureBudget(new ManualClock(), callAllowance);
  spendAll(budget, '192.0.2.1');
  for (let i = 0; i < 10_000; i++) budget.spend(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  expect(budget.spend('192.0.2.1')).toBeUndefined();
});
