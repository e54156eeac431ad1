import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ManualClock } from '../../kit/manual-clock.ts';
import { RetryBudget } from './retry-budget.ts';

function spendAll(budget: RetryBudget): number {
  let spent = 0;
  while (budget.spend()) spent++;
  return spent;
}

test('a pod that has run no job yet has a small reserve', () => {
  expect(spendAll(new RetryBudget(new ManualClock()))).toBe(10);
});

test('five jobs pay for one retry', () => {
  const budget = new RetryBudget(new ManualClock());
  spendAll(budget);
  for (let i = 0; i < 4; i++) budget.jobBegan();
  expect(budget.spend()).toBe(false);
  budget.jobBegan();
  expect(budget.spend()).toBe(true);
  expect(budget.spend()).toBe(false);
});

test('the reserve grows back by one a second, up to what it was', async () => {
  const clock = new ManualClock();
  const budget = new RetryBudget(clock);
  spendAll(budget);
  await clock.advance(1_000);
  expect(spendAll(budget)).toBe(1);
  await clock.advance(3_600_000);
  expect(spendAll(budget)).toBe(10);
});

test('a busy hour saves up a hundred retries and no more', () => {
  const budget = new RetryBudget(new ManualClock());
  for (let i = 0; i < 100_000; i++) budget.jobBegan();
  expect(spendAll(budget)).toBe(100);
});

test('time does not take away what jobs have saved up', async () => {
  const clock = new ManualClock();
  const budget = new RetryBudget(clock);
  for (let i = 0; i < 200; i++) budget.jobBegan();
  await clock.advance(3_600_000);
  expect(spendAll(budget)).toBe(50);
});

test('retries never exceed a fifth of the jobs, the reserve, and one a second', async () => {
  const steps = fc.array(fc.oneof(fc.constant('job'), fc.constant('spend'), fc.integer({ min: 1, max: 5_000 })));
  await fc.assert(
    fc.asyncProperty(steps, async (plan) => {
      const clock = new ManualClock();
      const budget = new RetryBudget(clock);
      let jobs = 0;
      let spent = 0;
      for (const step of plan) {
        if (step === 'job') {
          budget.jobBegan();
          jobs++;
        } else if (step === 'spend') spent += budget.spend() ? 1 : 0;
        else await clock.advance(step as number);
      }
      expect(spent).toBeLessThanOrEqual(jobs * 0.2 + 10 + clock.now() / 1_000);
    }),
    { numRuns: 30 },
  );
});
