import { expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { channelLimits } from './channel-limits.ts';
import { FlapWatch } from './flap-watch.ts';

function replacements(watch: FlapWatch, count: number): boolean[] {
  return Array.from({ length: count }, () => watch.replaced('berlin/default'));
}

test('agents that replace each other are reported once per window', async () => {
  const clock = new ManualClock();
  const watch = new FlapWatch(clock);
  expect(replacements(watch, 6)).toEqual([false, false, false, true, false, false]);
  expect(watch.replaced('other/default')).toBe(false);
  await clock.advance(channelLimits.flapWindowMs);
  expect(replacements(watch, 4)).toEqual([false, false, false, true]);
});

test('a restart now and then is not reported', async () => {
  const clock = new ManualClock();
  const watch = new FlapWatch(clock);
  for (let restart = 0; restart < 20; restart++) {
    expect(watch.replaced('berlin/default')).toBe(false);
    await clock.advance(channelLimits.flapWindowMs / 3);
  }
});
