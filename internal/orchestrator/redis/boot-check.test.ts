import { expect, test } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { BootCheck } from './boot-check.ts';
import { fakeClient, replyError } from './fake-connection.ts';
import { redisLimits } from './redis-limits.ts';

function info(policy: string): string {
  return `redis_version:7.0.15\r\nmaxmemory_policy:${policy}\r\nrole:master\r\naof_enabled:1\r\n`;
}

function start() {
  const clock = new ManualClock();
  const { client, connection, event } = fakeClient(clock);
  const logged: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void logged.push(line) });
  const check = new BootCheck({ kind: 'single', client, clock, log });
  let policy = 'noeviction';
  connection.answer = (command) => {
    if (command === 'CONFIG') throw replyError('NOPERM no');
    return info(policy);
  };
  client.start();
  check.start();
  return { clock, connection, event, check, logged, setPolicy: (name: string) => (policy = name) };
}

test('a Redis that does not answer keeps nobody from starting', () => {
  const { check, connection } = start();
  expect(check.check()).toBeUndefined();
  expect(connection.sent).toEqual([]);
});

test('settings that lose data keep the pod from starting until they are put right', async () => {
  const { check, event, clock, logged, setPolicy } = start();
  setPolicy('allkeys-lru');
  event.ready();
  await settle();
  expect(check.check()).toMatch(/would lose data/);
  await clock.advance(redisLimits.recheckMs);
  expect(check.check()).toMatch(/would lose data/);
  expect(logged).toEqual([expect.stringMatching(/"level":50.*CONFIG SET maxmemory-policy noeviction/)]);
  setPolicy('noeviction');
  await clock.advance(redisLimits.recheckMs);
  expect(check.check()).toBeUndefined();
  expect(logged).toHaveLength(2);
  expect(clock.pending).toBe(0);
});

test('once passed, a bad setting is reported and takes no pod out of service', async () => {
  const { check, event, logged, setPolicy } = start();
  event.ready();
  await settle();
  setPolicy('volatile-lru');
  event.lost();
  event.ready();
  await settle();
  expect(check.check()).toBeUndefined();
  expect(logged.join('')).toContain('volatile-lru');
});

test('an answer that was lost is asked for again', async () => {
  const { check, connection, event, clock, setPolicy } = start();
  setPolicy('allkeys-lru');
  const { answer } = connection;
  connection.answer = () => {
    throw new Error('Command timed out');
  };
  event.ready();
  await settle();
  expect(check.check()).toBeUndefined();
  connection.answer = answer;
  await clock.advance(redisLimits.recheckMs);
  expect(check.check()).toMatch(/would lose data/);
});

test('a closed check looks no more', async () => {
  const { check, connection, event, clock, setPolicy } = start();
  setPolicy('allkeys-lru');
  event.ready();
  await settle();
  check.close();
  event.lost();
  event.ready();
  await clock.advance(60_000);
  expect(connection.sent).toHaveLength(2);
  expect(clock.pending).toBe(0);
});
