import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { FakeRedis } from './fake-redis.ts';
import { Publisher } from './publisher.ts';
import { registryKeys } from './redis-keys.ts';
import { registryLimits } from './registry-limits.ts';
import { connection } from './registry-suite.ts';

let clock: ManualClock;
let redis: FakeRedis;
let publisher: Publisher;
let heard: string[];

beforeEach(() => {
  clock = new ManualClock();
  redis = new FakeRedis();
  heard = [];
  publisher = new Publisher({
    redis,
    keys: registryKeys('rp'),
    clock,
    random: () => 0.5,
    onRanked: ({ connectionId }, epoch) => heard.push(`ranked ${connectionId} ${epoch}`),
    onRival: ({ connectionId }, { podId, connectSeq }) => heard.push(`rival ${connectionId} ${podId} ${connectSeq}`),
    onLapsed: () => heard.push('lapsed'),
    onFault: () => heard.push('fault'),
  });
  redis.on('publish', () => ['held', 77]);
  redis.on('withdraw', () => ['held']);
});

afterEach(() => {
  publisher.stop();
  expect(clock.pending).toBe(0);
});

/** What was published, as `CONNECTION EPOCH AGE`. */
function published(): string[] {
  return redis.argsOf('publish').map((args) => [args[3], args[8], args[7]].join(' '));
}

test('nothing is told before there is a seat, everything after', async () => {
  publisher.put(connection({ connectionId: 'c1' }));
  publisher.put(connection({ connectionId: 'c2' }));
  await clock.advance(300);
  expect(redis.asked).toEqual([]);
  publisher.moveTo('pod-1~a');
  await clock.advance(0);
  expect(published()).toEqual(['c1 0 300', 'c2 0 300']);
  expect(heard).toEqual(['ranked c1 77', 'ranked c2 77']);
  expect(publisher.epochOf('c1')).toBe(77);
  expect(publisher.depth).toBe(0);
  expect(publisher.confirmedWrite).toBe(2);
});

describe('on a seat', () => {
  beforeEach(() => publisher.moveTo('pod-1~a'));

  test('a connection that changes all the time is told now and then, as it is by then', async () => {
    const held = connection();
    for (let i = 0; i < 1_000; i++) {
      held.version = String(i);
      publisher.put(held);
      await clock.advance(1);
    }
    await clock.advance(registryLimits.updateIntervalMs);
    expect(published().length).toBeLessThanOrEqual(2 + 1_000 / registryLimits.updateIntervalMs);
    expect(redis.argsOf('publish').at(-1)?.[9]).toContain('"version":"999"');
    expect(published()[1]).toMatch(/^c1 77 /);
  });

  test('a connection that ends before it was told is never told', async () => {
    publisher.put(connection());
    publisher.remove('c1');
    await clock.advance(1_000);
    expect(redis.asked).toEqual([]);
  });

  test('the end of a connection is told until Redis knows', async () => {
    publisher.put(connection());
    await clock.advance(0);
    redis.away = true;
    publisher.remove('c1');
    await clock.advance(1_000);
    expect(publisher.depth).toBe(1);
    redis.away = false;
    await clock.advance(registryLimits.retryMaxMs * 2);
    expect(publisher.depth).toBe(0);
    expect(publisher.epochOf('c1')).toBe(0);
  });

  test('while Redis is away tries become seldom', async () => {
    redis.away = true;
    publisher.put(connection());
    await clock.advance(60_000);
    expect(published().length).toBeLessThan(60);
    expect(published().length).toBeGreaterThan(20);
  });

  test('many are told in batches', async () => {
    const answer = Promise.withResolvers<unknown>();
    redis.on('publish', () => answer.promise);
    for (let i = 0; i < 1_000; i++) publisher.put(connection({ connectionId: `c${i}` }));
    await clock.advance(0);
    expect(published()).toHaveLength(registryLimits.publishBatch);
    expect(publisher.depth).toBe(1_000);
    answer.resolve(['held', 1]);
    await clock.advance(0);
    await clock.advance(0);
    expect(published().length).toBeGreaterThan(registryLimits.publishBatch);
  });

  test('a seat that Redis does not know is told of, and a new one gets everything', async () => {
    redis.on('publish', () => ['lapsed']);
    publisher.put(connection());
    publisher.put(connection({ connectionId: 'c2' }));
    await clock.advance(0);
    expect(heard).toEqual(['lapsed']);
    redis.on('publish', () => ['held', 5]);
    publisher.moveTo('pod-1~b');
    await clock.advance(registryLimits.retryMaxMs);
    expect(redis.argsOf('publish').at(-1)?.[0]).toBe('pod-1~b');
    expect(heard).toEqual(['lapsed', 'ranked c1 5', 'ranked c2 5']);
  });

  test('an answer for the seat before does not count for the new one', async () => {
    const answer = Promise.withResolvers<unknown>();
    redis.on('publish', () => answer.promise);
    publisher.put(connection());
    await clock.advance(0);
    publisher.moveTo('pod-1~b');
    answer.resolve(['held', 5]);
    await settle();
    expect(publisher.confirmedWrite).toBe(0);
    await clock.advance(registryLimits.retryMaxMs);
    expect(redis.argsOf('publish').map(([seat]) => seat)).toEqual(['pod-1~a', 'pod-1~b']);
  });

  test('a newer connection is told of, with its whole count', async () => {
    redis.on('publish', () => ['held', 4, 5, 'pod-2~x', 'i', '18446744073709551615']);
    publisher.put(connection());
    await clock.advance(0);
    expect(heard).toEqual(['ranked c1 4', 'rival c1 pod-2 18446744073709551615']);
  });

  test('one that ended while it was told hears nothing any more, and is taken back', async () => {
    const answer = Promise.withResolvers<unknown>();
    redis.on('publish', () => answer.promise);
    publisher.put(connection());
    await clock.advance(0);
    publisher.remove('c1');
    answer.resolve(['held', 4, 5, 'pod-2~x', 'i', '1']);
    await settle();
    await clock.advance(10);
    expect(heard).toEqual([]);
    expect(redis.argsOf('withdraw')).toHaveLength(1);
  });
});
