// The clients of the orchestrator against real Redis: one server with ACL and TLS, killed and frozen; Sentinel with a
// failover; a Cluster with a slot that moves. Everything that counts is counted by INCR: a command that is told as
// failed may have been done once, and none is done twice.
import { expect } from '@jest/globals';
import { systemClock } from '../../internal/kit/clock.ts';
import { BootCheck } from '../../internal/orchestrator/redis/boot-check.ts';
import type { RedisCommands } from '../../internal/orchestrator/redis/redis-client.ts';
import { redisLimits } from '../../internal/orchestrator/redis/redis-limits.ts';
import { defineScript } from '../../internal/orchestrator/redis/redis-script.ts';
import { makeCertificates } from '../harness/certificates.ts';
import { sayTime, timed } from '../harness/goals.ts';
import { RedisServer } from '../harness/redis.ts';
import { Load, outcomeOf, TestClient } from '../harness/redis-client.ts';
import { RedisCluster, RedisSentinels } from '../harness/redis-groups.ts';
import { story, type Use } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { until } from '../harness/waiting.ts';

const count = defineScript('count', `-- KEYS[1] a counter\n-- returns its value\nreturn redis.call('INCR', KEYS[1])`);
const key = '{rp}:counter';

function counting(use: Use, { redis }: TestClient): Load {
  return use(new Load(() => redis.run(count, [key], [])));
}

async function counted(redis: RedisCommands): Promise<number> {
  return Number(await redis.call('GET', [key]));
}

story('a user of the ACL comes in over TLS, and may do what its rules say', async (use) => {
  const dir = use(await TempDir.make());
  const tls = makeCertificates(dir.path, ['IP:127.0.0.1']);
  const users = [{ name: 'pod', password: 'a:b@c/d?e#f%', rules: '~{rp}* +@all -config' }];
  const server = use(await RedisServer.start({ tls, users }));
  const { redis } = use(await TestClient.up(server.url));
  expect(await redis.run(count, [key], [])).toBe(1);
  expect(await outcomeOf(redis.call('GET', ['elsewhere']))).toBe('REFUSED');
});

story('a user who may do no more than docs/adr/0015 asks for does everything', async (use) => {
  const rules = '~{rp}* +info +client|setname +evalsha +eval +incr';
  const server = use(await RedisServer.start({ persistence: 'none', users: [{ name: 'pod', password: 'x', rules }] }));
  const { redis, log, logged } = use(await TestClient.up(server.url));
  expect(await redis.run(count, [key], [])).toBe(1);
  const check = new BootCheck({ kind: 'single', client: redis, clock: systemClock, log });
  check.start();
  await until('the log of the check', () => logged.length > 0);
  check.close();
  expect(logged).toEqual([expect.stringContaining('+config|get')]);
});

story('a wrong password is told plainly and without the password, and nothing hangs', async (use) => {
  const server = use(await RedisServer.start({ users: [{ name: 'pod', password: 'right' }] }));
  const client = use(new TestClient(server.url.replace('right', 'hunter2')));
  await until('a log line', () => client.logged.length > 0);
  expect(client.logged.join('')).toContain('WRONGPASS');
  expect(client.logged.join('')).not.toContain('hunter2');
  expect(await outcomeOf(client.redis.call('PING', []))).toBe('UNSENT');
});

story(
  'killed and started again: commands fail fast, none counts twice, the client comes back by itself',
  async (use) => {
    const server = use(await RedisServer.start());
    const client = use(await TestClient.up(server.url));
    const load = counting(use, client);
    for (let round = 0; round < 3; round++) {
      await load.succeeds(50);
      await server.kill();
      await client.isDown();
      await server.restart();
      await client.isUp();
    }
    await load.succeeds(50);
    const { OK, UNKNOWN, REFUSED, UNSENT, slowestMs } = await load.stop();
    const value = await counted(client.redis);
    expect(value).toBeGreaterThanOrEqual(OK);
    expect(value).toBeLessThanOrEqual(OK + UNKNOWN);
    expect({ REFUSED, reconnects: client.reconnects }).toEqual({ REFUSED: 0, reconnects: 3 });
    expect(UNSENT).toBeGreaterThan(0);
    sayTime('the slowest command', slowestMs, redisLimits.commandTimeoutMs);
  },
);

story('frozen: every command fails within its bound, and is done once at most after the thaw', async (use) => {
  const server = use(await RedisServer.start());
  const client = use(await TestClient.up(server.url));
  const { redis } = client;
  await redis.run(count, [key], []);
  server.stop();
  const failing = Promise.all(Array.from({ length: 50 }, () => outcomeOf(redis.run(count, [key], []))));
  const outcomes = await timed('commands to a frozen Redis fail', redisLimits.commandTimeoutMs, failing);
  expect(new Set(outcomes)).toEqual(new Set(['UNKNOWN']));
  await timed('then its connection is given up', redisLimits.requestSilenceMs, client.isDown());
  expect(await outcomeOf(redis.run(count, [key], []))).toBe('UNSENT');
  server.cont();
  await client.isUp();
  // A command of ours now stands behind all that the frozen server found in its socket.
  const value = Number(await redis.run(count, [key], []));
  expect(value).toBeGreaterThanOrEqual(2);
  expect(value).toBeLessThanOrEqual(52);
});

story('a follower hears at once that its Redis is gone, and goes on after the entry it read last', async (use) => {
  const server = use(await RedisServer.start());
  const follower = use(await TestClient.up(server.url, 'follower'));
  const { redis } = use(await TestClient.up(server.url));
  const first = await redis.call('XADD', ['{rp}:log', '*', 'n', '1']);
  const waiting = outcomeOf(
    follower.redis.call('XREAD', ['BLOCK', redisLimits.maxBlockMs, 'STREAMS', '{rp}:log', '$']),
  );
  await until('the follower waits', async () => (await server.cli('INFO', 'clients')).includes('blocked_clients:1'));
  await server.kill();
  expect(await timed('the follower hears of it', 1_000, waiting)).toBe('UNKNOWN');
  await server.restart();
  await server.cli('XADD', '{rp}:log', '*', 'n', '2');
  await follower.isUp();
  const read = await follower.redis.call('XREAD', ['BLOCK', 1_000, 'STREAMS', '{rp}:log', String(first)]);
  expect(read).toEqual([['{rp}:log', [[expect.any(String), ['n', '2']]]]]);
});

story('a follower on a frozen Redis gives up after the longest wait', async (use) => {
  const server = use(await RedisServer.start());
  const follower = use(await TestClient.up(server.url, 'follower'));
  const waiting = outcomeOf(
    follower.redis.call('XREAD', ['BLOCK', redisLimits.maxBlockMs, 'STREAMS', '{rp}:log', '$']),
  );
  await until('the follower waits', async () => (await server.cli('INFO', 'clients')).includes('blocked_clients:1'));
  server.stop();
  expect(await timed('the follower gives up', redisLimits.followerSilenceMs, waiting)).toBe('UNKNOWN');
  server.cont();
  await follower.isUp();
});

story('scripts that Redis forgot are sent again with their text', async (use) => {
  const server = use(await RedisServer.start());
  const { redis } = use(await TestClient.up(server.url));
  await redis.run(count, [key], []);
  await server.cli('SCRIPT', 'FLUSH');
  expect(await redis.run(count, [key], [])).toBe(2);
});

story('Sentinel: after a planned failover nobody stays on the old master, which goes on taking writes', async (use) => {
  const group = use(await RedisSentinels.start());
  const client = use(await TestClient.up(group.url));
  const load = counting(use, client);
  await load.succeeds(20);
  const master = await group.failover();
  const before = Number(await master.cli('GET', key));
  await until('the new master counts', async () => Number(await master.cli('GET', key)) > before);
  const { slowestMs } = await load.stop();
  sayTime('the slowest command', slowestMs, redisLimits.commandTimeoutMs);
});

story('Sentinel: a killed master is replaced', async (use) => {
  const group = use(await RedisSentinels.start());
  const client = use(await TestClient.up(group.url));
  const load = counting(use, client);
  await load.succeeds(20);
  const before = await group.master();
  await before.kill();
  await group.promoted(before);
  await load.succeeds(20);
  const { OK, UNKNOWN, slowestMs } = await load.stop();
  expect(await counted(client.redis)).toBeLessThanOrEqual(OK + UNKNOWN);
  sayTime('the slowest command', slowestMs, redisLimits.commandTimeoutMs);
});

story('Cluster: a slot that moves is followed, a killed node costs its keys for as long as it is away', async (use) => {
  const cluster = use(await RedisCluster.start());
  const client = use(await TestClient.up(cluster.url));
  const load = counting(use, client);
  await load.succeeds(50);
  const holder = await cluster.holderOf(key);
  const other = cluster.nodes.find((node) => node !== holder);
  if (!other) throw new Error('a Cluster has more than one node');
  await cluster.move(key, other);
  await load.succeeds(50);
  await other.kill();
  await until('a failure', () => load.tally.UNSENT + load.tally.UNKNOWN > 0);
  await other.restart();
  await load.succeeds(50);
  const { OK, UNKNOWN, REFUSED, slowestMs } = await load.stop();
  const value = await counted(client.redis);
  expect(value).toBeGreaterThanOrEqual(OK);
  expect(value).toBeLessThanOrEqual(OK + UNKNOWN + REFUSED);
  sayTime('the slowest command', slowestMs, redisLimits.commandTimeoutMs);
});

story('the settings of each node of a Cluster are looked at', async (use) => {
  const cluster = use(await RedisCluster.start());
  const { redis, log, logged } = use(await TestClient.up(cluster.url));
  await cluster.nodes[1]?.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
  const check = new BootCheck({ kind: 'cluster', client: redis, clock: systemClock, log });
  check.start();
  await until('the check', () => check.check() !== undefined);
  expect(logged.join('')).toContain(`127.0.0.1:${cluster.nodes[1]?.port}: it drops keys`);
  await cluster.nodes[1]?.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  await until('the check again', () => check.check() === undefined);
  check.close();
  expect(logged).toHaveLength(2);
});
