import { expect, test } from '@jest/globals';
import {
  type ConnectionPlan,
  clusterOptions,
  type PlanFor,
  sentinelOptions,
  sentinelWatchOptions,
  singleOptions,
} from './connection-options.ts';
import { redisLimits } from './redis-limits.ts';
import { parseRedisUrl, type RedisUrl } from './redis-url.ts';

function plan<K extends RedisUrl['kind']>(kind: K, text: string, rest: Partial<ConnectionPlan> = {}): PlanFor<K> {
  const url = parseRedisUrl(text);
  if (url.kind !== kind) throw new Error(`${text} is no ${kind}`);
  return { url, kind: 'request', tls: undefined, random: () => 0.5, ...rest } as PlanFor<K>;
}

test('no client sends a command twice, or keeps one for later', () => {
  const resending = { enableOfflineQueue: false, autoResendUnfulfilledCommands: false, maxRetriesPerRequest: 0 };
  expect(singleOptions(plan('single', 'redis://a'))).toMatchObject(resending);
  expect(sentinelOptions(plan('sentinel', 'redis+sentinel://a/main'))).toMatchObject(resending);
  expect(clusterOptions(plan('cluster', 'redis+cluster://a'))).toMatchObject({
    enableOfflineQueue: false,
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    redisOptions: resending,
  });
});

test('a request has a bound; a follower may wait as long as it asks Redis to, and not much longer', () => {
  expect(singleOptions(plan('single', 'redis://a')).commandTimeout).toBe(redisLimits.commandTimeoutMs);
  const follower = singleOptions(plan('single', 'redis://a', { kind: 'follower' }));
  expect(follower.commandTimeout).toBeUndefined();
  expect(follower.socketTimeout).toBeGreaterThan(redisLimits.maxBlockMs);
});

test('tries to connect never end, and spread over a range that grows to its maximum', () => {
  const { retryStrategy } = singleOptions(plan('single', 'redis://a'));
  expect([1, 2, 3, 6, 1000].map((tries) => retryStrategy?.(tries))).toEqual([50, 100, 200, 1500, 1500]);
});

test('the password of the data goes to no Sentinel, and the other way round', () => {
  const url = 'redis+sentinel://pod:data@a/main?sentinelUsername=watch&sentinelPassword=other';
  expect(sentinelOptions(plan('sentinel', url))).toMatchObject({
    username: 'pod',
    password: 'data',
    sentinelUsername: 'watch',
    sentinelPassword: 'other',
  });
  const [address] = plan('sentinel', url).url.sentinels;
  if (!address) throw new Error('a Sentinel was named');
  expect(sentinelWatchOptions(plan('sentinel', url), address)).toMatchObject({ username: 'watch', password: 'other' });
  const open = plan('sentinel', 'redis+sentinel://pod:data@a/main');
  expect(JSON.stringify(sentinelWatchOptions(open, address))).not.toContain('data');
  expect(sentinelOptions(open).sentinelPassword).toBeUndefined();
});

test('TLS covers the Sentinels as well as the data', () => {
  const tls = { servername: 'redis.internal' };
  expect(sentinelOptions(plan('sentinel', 'rediss+sentinel://a/main', { tls }))).toMatchObject({
    tls,
    sentinelTLS: tls,
    enableTLSForSentinelMode: true,
  });
  expect(clusterOptions(plan('cluster', 'rediss+cluster://a', { tls })).redisOptions).toMatchObject({ tls });
  expect(singleOptions(plan('single', 'redis://a'))).not.toHaveProperty('tls');
});
