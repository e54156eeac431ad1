import { expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { fakeClient, replyError } from './fake-connection.ts';
import { redisLimits } from './redis-limits.ts';
import { defineScript } from './redis-script.ts';

const count = defineScript('count', `-- KEYS[1] a counter\n-- returns its value\nreturn redis.call('INCR', KEYS[1])`);

function upClient(clock = new ManualClock()) {
  const fake = fakeClient(clock);
  fake.client.start();
  fake.event.ready();
  return { ...fake, clock };
}

test('a client does nothing before it is started', async () => {
  const { client, connection } = fakeClient(new ManualClock());
  expect(connection.connects).toBe(0);
  await expect(client.call('GET', ['a'])).rejects.toMatchObject({ code: 'UNSENT' });
  expect(connection.sent).toEqual([]);
});

test('whoever waits for the first answer goes on with it, and without it in the end', async () => {
  const clock = new ManualClock();
  const { client, event } = fakeClient(clock);
  client.start();
  const waited: string[] = [];
  void client.upWithin(2_000).then(() => waited.push('in vain'));
  await clock.advance(1_999);
  expect(waited).toEqual([]);
  await clock.advance(1);
  void client.upWithin(2_000).then(() => waited.push('answered'));
  event.ready();
  await settle();
  expect(waited).toEqual(['in vain', 'answered']);
  expect(clock.pending).toBe(0);
});

test('a script goes by its digest, and with its text to a Redis that does not know it', async () => {
  const { client, connection, told } = upClient();
  connection.answer = (command) => {
    if (command === 'evalsha') throw replyError('NOSCRIPT No matching script. Please use EVAL.');
    return 7;
  };
  expect(await client.run(count, ['{rp}:n'], ['x'])).toBe(7);
  expect(connection.sent).toEqual([
    ['evalsha', count.sha, 1, '{rp}:n', 'x'],
    ['eval', count.lua, 1, '{rp}:n', 'x'],
  ]);
  expect(told).toEqual(['count OK']);
});

test('any other error of a script is not tried again', async () => {
  const { client, connection, told } = upClient();
  connection.answer = () => {
    throw replyError('ERR out of patience');
  };
  await expect(client.run(count, ['k'], [])).rejects.toMatchObject({ code: 'REFUSED', message: 'ERR out of patience' });
  expect(connection.sent).toHaveLength(1);
  expect(told).toEqual(['count REFUSED']);
});

test.each([
  ['Command timed out', 'UNKNOWN', /no answer within/],
  ['Reached the max retries per request limit (which is 0). Refer to', 'UNKNOWN', /broke before the answer/],
  ['Connection is closed.', 'UNKNOWN', /broke before the answer/],
  ["Stream isn't writeable and enableOfflineQueue options is false", 'UNSENT', /not connected/],
  ["Cluster isn't ready and enableOfflineQueue options is false", 'UNSENT', /not connected/],
] as const)('"%s" is %s', async (message, code, sentence) => {
  const { client, connection } = upClient();
  connection.answer = () => {
    throw new Error(message);
  };
  await expect(client.call('GET', ['a'])).rejects.toMatchObject({ code, message: expect.stringMatching(sentence) });
});

test('no error and no log line carries a password', async () => {
  const { client, connection, event, logged } = upClient();
  connection.answer = () => {
    throw replyError("ERR unknown command 'AUTH', with args beginning with: 'hunter2'");
  };
  const error: unknown = await client.call('GET', ['a']).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ message: expect.stringContaining('[cut]') });
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('hunter2');
  event.fault(replyError('WRONGPASS hunter2'));
  event.lost();
  expect(logged.join('')).toContain('WRONGPASS [cut]');
  expect(logged.join('')).not.toContain('hunter2');
});

test('down and up again are told once each, and a command in between fails at once', async () => {
  const { client, connection, event, told, logged } = upClient();
  client.onStatus((status) => told.push(status));
  event.fault(new Error('read ECONNRESET'));
  event.lost();
  event.lost();
  event.fault(new Error('connect ECONNREFUSED'));
  await expect(client.call('GET', ['a'])).rejects.toMatchObject({
    code: 'UNSENT',
    message: 'Redis is down: connect ECONNREFUSED',
  });
  expect(connection.sent).toEqual([]);
  event.ready();
  expect(told).toEqual(['down', 'get UNSENT', 'reconnected', 'up']);
  expect(client.fault).toBeUndefined();
  expect(logged).toHaveLength(2);
});

test('a Redis that was never there is told of once', () => {
  const { client, event, logged, told } = fakeClient(new ManualClock());
  client.start();
  for (let i = 0; i < 5; i++) event.fault(new Error('connect ECONNREFUSED'));
  expect(logged).toHaveLength(1);
  event.ready();
  expect(logged).toHaveLength(2);
  expect(told).toEqual([]);
});

test('a connection that gave up is started again, later and later', async () => {
  const { connection, event, clock } = upClient();
  event.lost();
  for (const delayMs of [50, 100, 200, 400, 800, 1500, 1500]) {
    event.ended();
    const before = connection.connects;
    await clock.advance(delayMs - 1);
    expect(connection.connects).toBe(before);
    await clock.advance(1);
    expect(connection.connects).toBe(before + 1);
  }
});

test('closing waits for the connection, and not for ever', async () => {
  const first = upClient();
  const closing = first.client.close();
  first.event.ended();
  await closing;
  expect(first.clock.pending).toBe(0);
  await expect(first.client.call('GET', ['a'])).rejects.toMatchObject({ code: 'UNSENT' });

  const second = upClient();
  let closed = false;
  second.client.close().then(
    () => (closed = true),
    () => {},
  );
  await settle();
  expect(closed).toBe(false);
  await second.clock.advance(redisLimits.closeBoundMs);
  expect(closed).toBe(true);
});

test('a closed client does not come back', async () => {
  const { client, connection, event, clock } = upClient();
  event.lost();
  event.ended();
  await client.close();
  event.ready();
  await clock.advance(60_000);
  expect([connection.connects, client.status, connection.disconnects]).toEqual([1, 'down', 1]);
});
