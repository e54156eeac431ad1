import { describe, expect, test } from '@jest/globals';
import { sleep } from './clock.ts';
import { ManualClock } from './manual-clock.ts';

describe('sleep', () => {
  test('resolves when its time has passed and leaves no timer', async () => {
    const clock = new ManualClock();
    let awake = false;
    const sleeping = sleep(clock, 1_000).then(() => {
      awake = true;
    });
    await clock.advance(999);
    expect(awake).toBe(false);
    await clock.advance(1);
    await sleeping;
    expect(clock.pending).toBe(0);
  });

  test('rejects with the reason as soon as its signal aborts, and at once when it already has', async () => {
    const clock = new ManualClock();
    const abort = new AbortController();
    const sleeping = sleep(clock, 1_000, abort.signal);
    abort.abort(new Error('enough'));
    await expect(sleeping).rejects.toThrow('enough');
    await expect(sleep(clock, 1_000, abort.signal)).rejects.toThrow('enough');
    expect(clock.pending).toBe(0);
  });
});
