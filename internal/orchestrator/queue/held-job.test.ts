import { describe, expect, test } from '@jest/globals';
import { settle } from '../../kit/manual-clock.ts';
import { silence } from '../dispatch/fake-links.ts';
import { queueing } from './queue-fixture.ts';
import { queueLimits } from './queue-limits.ts';

async function holding() {
  const queue = queueing([silence]);
  await queue.submit();
  return { ...queue, ...(await queue.claimOne()) };
}

describe('a job that is held', () => {
  test('says a step again until the store answers, with pauses that are bounded', async () => {
    const { held, faults, pass } = await holding();
    faults.fail('dispatched');
    const step = held.record((store, lease) => store.dispatched(lease, 'a/default/direct'));
    for (let i = 0; i < 10; i++) await pass(queueLimits.maxStorePauseMs);
    const tries = faults.times('dispatched');
    expect(tries).toBeGreaterThan(8);
    faults.heal();
    await pass(queueLimits.maxStorePauseMs);
    expect(await step).toBe('ok');
    expect(faults.times('dispatched')).toBe(tries + 1);
  });

  test('a step that the store will never take is not said again', async () => {
    const { held, faults } = await holding();
    faults.fail('dispatched', 'REQUEST_TOO_LARGE');
    await expect(held.record((store, lease) => store.dispatched(lease, 'x'))).rejects.toThrow('as the test says');
    expect(faults.times('dispatched')).toBe(1);
  });

  test('is lost once the store says so, and no step is taken after that', async () => {
    const { held, inner, faults, record } = await holding();
    await inner.cancel(await record());
    expect(await held.record((store, lease) => store.dispatched(lease, 'x'))).toBe('lost');
    expect(held.lost.aborted && held.over.aborted).toBe(true);
    expect(await held.record((store, lease) => store.running(lease))).toBe('lost');
    expect(faults.times('running')).toBe(0);
  });

  test('stops waiting for the store when it is lost meanwhile, and leaves no timer', async () => {
    const { held, faults, clock } = await holding();
    faults.fail('all');
    const step = held.record((store, lease) => store.running(lease));
    await settle();
    expect(clock.pending).toBe(1);
    held.lose();
    expect(await step).toBe('lost');
    expect(clock.pending).toBe(0);
  });

  test('is overdue a lease after the last renewal, whether or not the store can be asked', async () => {
    const { held, pass } = await holding();
    await pass(queueLimits.leaseMs - 1);
    expect(held.isOverdue).toBe(false);
    await pass(1);
    expect(held.isOverdue).toBe(true);
    held.renewed();
    expect(held.isOverdue).toBe(false);
  });

  test('one that is only abandoned still has its end to tell', async () => {
    const { held } = await holding();
    held.abandon();
    expect(held.over.aborted && !held.lost.aborted).toBe(true);
    expect(await held.record((store, lease) => store.release(lease, 0))).toBe('ok');
  });
});
