// What the harness promises of its Redis, so that a test that uses it can be believed.
import { expect } from '@jest/globals';
import { makeCertificates } from '../harness/certificates.ts';
import { RedisServer } from '../harness/redis.ts';
import { story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';

story('a killed server comes back on its port with its data', async (use) => {
  const redis = use(await RedisServer.start());
  await redis.cli('SET', 'kept', 'yes');
  await redis.kill();
  await expect(redis.cli('PING')).rejects.toThrow();
  await redis.restart();
  expect(await redis.cli('GET', 'kept')).toBe('yes');
});

story('with TLS and users the URL carries both, and nobody gets in without', async (use) => {
  const dir = use(await TempDir.make());
  const tls = makeCertificates(dir.path, ['IP:127.0.0.1']);
  const users = [{ name: 'pod', password: 'p@ss' }];
  const redis = use(await RedisServer.start({ tls, users, persistence: 'none' }));
  expect(redis.url).toMatch(/^rediss:\/\/pod:p%40ss@127\.0\.0\.1:\d+\?tlsCa=/);
  expect(await redis.cli('PING')).toBe('PONG');
  expect(await redis.cli('ACL', 'LIST')).toContain('user default off');
});
