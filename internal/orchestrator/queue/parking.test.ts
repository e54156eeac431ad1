import { describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { silence } from '../dispatch/fake-links.ts';
import { parkedTargets } from '../jobs/suite/subject.ts';
import { anyTarget } from '../route/candidate.ts';
import { parkedName } from './parked-target.ts';
import { Parking } from './parking.ts';
import { queueing } from './queue-fixture.ts';
import { queueLimits } from './queue-limits.ts';

const name = (asks: Partial<typeof anyTarget> = {}) =>
  parkedName({ tenant: 'acme', target: { ...anyTarget, ...asks } });

async function parking({ jobs = 1, target = name() } = {}) {
  const queue = queueing([silence], { agents: 0 });
  for (let i = 0; i < jobs; i++) {
    await queue.submit({ jobId: `j${i}` });
    const { held } = await queue.claimOne();
    await held.record<'full'>((store, lease) => store.park(lease, target));
  }
  let woken = 0;
  const waker = new Parking({ ...queue.means, log: pino({ enabled: false }), onWoken: () => woken++ });
  const parked = async () => (await parkedTargets(queue.inner)).reduce((sum, { jobs: count }) => sum + count, 0);
  return { ...queue, waker, parked, woken: () => woken };
}

describe('what waits for an exit', () => {
  test('waits while there is none', async () => {
    const { waker, parked, pass } = await parking();
    waker.start();
    await pass(60_000);
    expect(await parked()).toBe(1);
    waker.stop();
  });

  test('is woken within a moment of the change, when it is told', async () => {
    const { waker, parked, pass, addExit, fleet, woken } = await parking();
    waker.start();
    fleet.onAdded(() => waker.hint());
    addExit('a/default');
    await pass(queueLimits.unparkPauseMs);
    expect(await parked()).toBe(0);
    expect(woken()).toBe(1);
    waker.stop();
  });

  test('and within a second when it is not', async () => {
    const { waker, parked, pass, addExit } = await parking();
    waker.start();
    addExit('a/default');
    await pass(queueLimits.pollMs);
    expect(await parked()).toBe(0);
    waker.stop();
  });

  test('stays where it is when the new exit is not what it asks for', async () => {
    const { waker, parked, pass, addExit } = await parking({ target: name({ country: 'DE' }) });
    waker.start();
    addExit('a/default');
    await pass(60_000);
    expect(await parked()).toBe(1);
    waker.stop();
  });

  test('is woken a bounded number at a time, and all of it while there is room', async () => {
    const { waker, parked, pass, addExit } = await parking({ jobs: queueLimits.maxUnparked + 3 });
    addExit('a/default');
    waker.start();
    waker.hint();
    await pass(queueLimits.unparkPauseMs);
    expect(await parked()).toBe(3);
    await pass(queueLimits.unparkPauseMs);
    expect(await parked()).toBe(0);
    waker.stop();
  });

  test('however often it is hinted, the store is asked no more than once in a while', async () => {
    const { waker, pass, faults } = await parking();
    waker.start();
    for (let i = 0; i < 100; i++) {
      waker.hint();
      await pass(1);
    }
    expect(faults.times('parkedTargets')).toBeLessThanOrEqual(100 / queueLimits.unparkPauseMs + 1);
    waker.stop();
  });

  test('a store that does not answer is asked again', async () => {
    const { waker, parked, pass, addExit, faults } = await parking();
    addExit('a/default');
    faults.fail('all');
    waker.start();
    await pass(5_000);
    faults.heal();
    await pass(queueLimits.pollMs);
    expect(await parked()).toBe(0);
    waker.stop();
  });

  test('what a newer version wrote is left to it', async () => {
    const { waker, parked, pass, addExit } = await parking({ target: '{"of": "another version"}' });
    addExit('a/default');
    waker.start();
    await pass(5_000);
    expect(await parked()).toBe(1);
    waker.stop();
  });

  test('many targets without an exit keep no other waiting for longer than a round takes', async () => {
    const { submit, claimOne, waker, pass, addExit, parked } = await parking({ target: name({ country: 'ZZ' }) });
    const others = 2 * queueLimits.maxTargetsTried;
    for (let i = 0; i < others; i++) {
      await submit({ jobId: `other-${i}` });
      const { held } = await claimOne();
      await held.record<'full'>((store, lease) => store.park(lease, name({ city: `Nowhere ${i}` })));
    }
    addExit('a/default', { country: 'ZZ' });
    waker.start();
    waker.hint();
    await pass(4 * queueLimits.unparkPauseMs);
    expect(await parked()).toBe(others);
    waker.stop();
  });

  test('a stopped one leaves no timer', async () => {
    const { waker, clock } = await parking();
    waker.start();
    waker.hint();
    waker.stop();
    waker.hint();
    expect(clock.pending).toBe(0);
  });
});
