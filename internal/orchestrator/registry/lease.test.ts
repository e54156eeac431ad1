import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { FakeRedis } from './fake-redis.ts';
import { type Beat, Lease } from './lease.ts';
import { registryKeys } from './redis-keys.ts';
import { registryLimits } from './registry-limits.ts';

let clock: ManualClock;
let redis: FakeRedis;
let lease: Lease;
let seats: string[];
let beats: Beat[];
let faults: number;
let confirmed: number;

beforeEach(() => {
  clock = new ManualClock();
  redis = new FakeRedis();
  [seats, beats, faults, confirmed] = [[], [], 0, 0];
  redis.on('beat', () => ['held', 1_000, 3, confirmed, 'pod-2~x', 3_500, 'record']);
  lease = new Lease({
    redis,
    keys: registryKeys('rp'),
    clock,
    podId: 'pod-1',
    version: '0.1.0',
    newToken: () => String(seats.length),
    confirmedWrite: () => confirmed,
    onSeat: (seat) => seats.push(seat),
    onBeat: (beat) => beats.push(beat),
    onFault: () => faults++,
  });
});

afterEach(async () => {
  await lease.stop();
  expect(clock.pending).toBe(0);
});

test('takes a seat, and renews it once per second', async () => {
  lease.start('10.0.0.1:9091');
  await clock.advance(0);
  await clock.advance(3_500);
  expect(seats).toEqual(['pod-1~0']);
  expect(redis.argsOf('beat').map((args) => [args[0], args[3]])).toEqual([
    ['pod-1~0', 1],
    ['pod-1~0', 0],
    ['pod-1~0', 0],
    ['pod-1~0', 0],
  ]);
  expect(beats[0]).toMatchObject({ nowMs: 1_000, changes: 3, leases: [{ seat: 'pod-2~x', leftMs: 3_500 }] });
});

test('takes another seat when Redis says that the lease is over', async () => {
  lease.start('10.0.0.1:9091');
  await clock.advance(0);
  redis.on('beat', (_keys, args) => [args[3] === 1 ? 'held' : 'lapsed', 1, 1, 0]);
  await clock.advance(registryLimits.beatMs);
  expect(seats).toEqual(['pod-1~0', 'pod-1~1']);
});

test('takes another seat when Redis lost a write that it had confirmed', async () => {
  lease.start('10.0.0.1:9091');
  await clock.advance(0);
  confirmed = 10;
  redis.on('beat', (_keys, args) => ['held', 1, 1, args[3] === 1 ? 0 : 9]);
  await clock.advance(registryLimits.beatMs);
  expect(seats).toEqual(['pod-1~0', 'pod-1~1']);
});

test('goes on while Redis is away, and keeps its seat', async () => {
  lease.start('10.0.0.1:9091');
  await clock.advance(0);
  redis.away = true;
  await clock.advance(5_000);
  expect(faults).toBe(5);
  redis.away = false;
  await clock.advance(1_000);
  expect(seats).toEqual(['pod-1~0']);
});

test('says at once that it drains, and says nothing once it is stopped', async () => {
  lease.start('10.0.0.1:9091');
  await clock.advance(0);
  lease.setDraining();
  await clock.advance(0);
  expect(redis.argsOf('beat').at(-1)?.[1]).toContain('"draining":true');
  await lease.stop();
  const asked = redis.asked.length;
  await expect(lease.beat()).rejects.toThrow('stopped');
  await clock.advance(5_000);
  expect(redis.asked).toHaveLength(asked);
});
