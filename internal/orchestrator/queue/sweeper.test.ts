import { expect, test } from '@jest/globals';
import pino from 'pino';
import { silence } from '../dispatch/fake-links.ts';
import type { Swept } from '../jobs/job-store.ts';
import { queueing } from './queue-fixture.ts';
import { queueLimits } from './queue-limits.ts';
import { Sweeper } from './sweeper.ts';

function sweeping() {
  const queue = queueing([silence]);
  const swept: Swept[] = [];
  const sweeper = new Sweeper({
    ...queue.means,
    log: pino({ enabled: false }),
    onSwept: (one) => void swept.push(one),
  });
  return { ...queue, sweeper, swept };
}

test('a lease of a pod that died is ended, and the job claimed again', async () => {
  const { sweeper, submit, claimOne, pass, record, swept } = sweeping();
  sweeper.start();
  await submit();
  await claimOne();
  await pass(queueLimits.leaseMs + 2 * queueLimits.sweepMs);
  expect(await record()).toMatchObject({ state: 'QUEUED', attempt: 0 });
  expect(swept.reduce((sum, { requeued }) => sum + requeued, 0)).toBe(1);
  sweeper.stop();
});

test('one that had been marked as sent and may be sent once ends unknown', async () => {
  const { sweeper, submit, claimOne, pass, record } = sweeping();
  sweeper.start();
  await submit({}, { idempotent: false });
  const { held } = await claimOne();
  await held.record((store, lease) => store.dispatched(lease, 'a/default/direct'));
  await pass(queueLimits.leaseMs + 2 * queueLimits.sweepMs);
  expect((await record()).state).toBe('OUTCOME_UNKNOWN');
  sweeper.stop();
});

test('a store that does not answer is swept later, and a stopped sweeper leaves no timer', async () => {
  const { sweeper, faults, pass, swept, clock } = sweeping();
  faults.fail('sweep');
  sweeper.start();
  await pass(3 * queueLimits.sweepMs);
  expect(swept).toEqual([]);
  faults.heal();
  await pass(2 * queueLimits.sweepMs);
  expect(swept.length).toBeGreaterThan(0);
  sweeper.stop();
  expect(clock.pending).toBe(0);
});
