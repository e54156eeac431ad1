import { beforeEach, expect, test } from '@jest/globals';
import { ManualClock } from '../../../kit/manual-clock.ts';
import { TimerWheel } from '../../../kit/timer-wheel.ts';
import { BodyPace } from './body-pace.ts';

let clock: ManualClock;
let told: string[];
let pace: BodyPace;

beforeEach(() => {
  clock = new ManualClock();
  told = [];
  const options = { wheel: new TimerWheel(clock), bodyIdleMs: 10_000, minBodyBytesPerSecond: 1_000 };
  pace = new BodyPace(options, (why) => told.push(why));
});

/** So many bytes every second. */
async function send(bytes: number, seconds: number): Promise<void> {
  for (let i = 0; i < seconds; i++) {
    pace.moved(bytes);
    await clock.advance(1_000);
  }
}

test('a body that stands still is given up, once, and leaves no timer', async () => {
  pace.moved(1_000_000);
  await clock.advance(10_000);
  expect(told).toEqual([]);
  await clock.advance(60_000);
  expect(told).toEqual(['The body stood still for 10000 ms.']);
  expect(clock.pending).toBe(0);
});

test('a body that comes by the drop is given up soon after', async () => {
  await send(1, 12);
  expect(told).toEqual(['The body came more slowly than 1000 bytes a second.']);
});

test('a slow one that moves is waited for', async () => {
  await send(1_100, 59);
  expect(told).toEqual([]);
});

test('one that pauses and has sent enough is waited for', async () => {
  pace.moved(100_000);
  await clock.advance(9_000);
  pace.moved(1);
  await clock.advance(9_000);
  expect(told).toEqual([]);
});

test('nothing happens once the body is here', async () => {
  pace.stop();
  await clock.advance(60_000);
  expect(told).toEqual([]);
  expect(clock.pending).toBe(0);
});
