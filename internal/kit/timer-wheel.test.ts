import { describe, expect, test } from '@jest/globals';
import { ManualClock } from './manual-clock.ts';
import { TimerWheel, WheelTimer } from './timer-wheel.ts';

function wheelWith(clock: ManualClock, tickMs = 100): { wheel: TimerWheel; firedAt: number[]; timer: WheelTimer } {
  const firedAt: number[] = [];
  return { wheel: new TimerWheel(clock, tickMs), firedAt, timer: new WheelTimer(() => firedAt.push(clock.now())) };
}

describe('a timer on the wheel', () => {
  test.each([1, 100, 101, 5_000, 51_199, 51_200, 51_201, 400_000])(
    'of %i ms fires once, at most a tick late',
    async (ms) => {
      const clock = new ManualClock();
      const { wheel, firedAt, timer } = wheelWith(clock);
      wheel.set(timer, ms);
      await clock.advance(ms + 60_000);
      expect(firedAt.length).toBe(1);
      expect(firedAt[0]).toBeGreaterThanOrEqual(ms);
      expect(firedAt[0]).toBeLessThanOrEqual(ms + 100);
    },
  );

  test('moves when it is set again, and does not fire when it is cancelled', async () => {
    const clock = new ManualClock();
    const { wheel, firedAt, timer } = wheelWith(clock);
    wheel.set(timer, 1_000);
    await clock.advance(900);
    wheel.set(timer, 1_000);
    await clock.advance(900);
    expect(firedAt).toEqual([]);
    wheel.cancel(timer);
    wheel.cancel(timer);
    await clock.advance(5_000);
    expect(firedAt).toEqual([]);
  });

  test('may set itself again from its own firing, a full turn ahead too', async () => {
    const clock = new ManualClock();
    const wheel = new TimerWheel(clock, 100);
    const firedAt: number[] = [];
    const timer = new WheelTimer(() => {
      firedAt.push(clock.now());
      if (firedAt.length < 3) wheel.set(timer, 51_200);
    });
    wheel.set(timer, 100);
    await clock.advance(200_000);
    expect(firedAt).toEqual([100, 51_300, 102_500]);
  });

  test('costs no system timer while none is set', async () => {
    const clock = new ManualClock();
    const { wheel, timer } = wheelWith(clock);
    expect(clock.pending).toBe(0);
    wheel.set(timer, 500);
    expect(clock.pending).toBe(1);
    await clock.advance(1_000);
    expect(clock.pending).toBe(0);
  });
});
