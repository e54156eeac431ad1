import { expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { LoopLag, lagCheck, maxReadyLagMs } from './loop-lag.ts';

/** A clock whose loop can be blocked: time passes and no timer fires meanwhile. */
class BlockableClock extends ManualClock {
  blockedMs = 0;

  override now(): number {
    return super.now() + this.blockedMs;
  }
}

test('a loop that turns on time has no lag', async () => {
  const samples: number[] = [];
  const clock = new ManualClock();
  const lag = new LoopLag(clock, (ms) => samples.push(ms));
  lag.start();
  await clock.advance(1_000);
  expect(samples).toEqual([0, 0, 0, 0, 0]);
  expect(lag.lagMs).toBe(0);
  lag.stop();
  expect(clock.pending).toBe(0);
});

test('a stall is seen at once, told once, and forgotten about a second later', async () => {
  const samples: number[] = [];
  const clock = new BlockableClock();
  const lag = new LoopLag(clock, (ms) => samples.push(ms));
  lag.start();
  clock.blockedMs = 2_000;
  await clock.advance(200);
  expect(lag.lagMs).toBe(2_000);
  await clock.advance(800);
  expect(lag.lagMs).toBe(2_000);
  await clock.advance(200);
  expect(lag.lagMs).toBe(0);
  expect(samples.filter((ms) => ms > 0)).toEqual([2_000]);
  lag.stop();
});

test('a pod whose event loop is late by more than the bound should get no work', () => {
  const lag = { lagMs: maxReadyLagMs };
  const check = lagCheck(lag);
  expect(check()).toBeUndefined();
  lag.lagMs++;
  expect(check()).toContain('more than 500 ms late');
});
