import { expect, test } from '@jest/globals';
import { SettingsError } from '../../internal/kit/settings.ts';
import { readConfig } from './config.ts';

const redis = { REDIS_URL: 'redis://10.0.0.9:6379' };
const pair = { RESPROXY_PEER_TLS_CERT: 'peer.crt', RESPROXY_PEER_TLS_KEY: 'peer.key' };

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

test('without Redis a pod is alone', () => {
  expect(readConfig({}).fleet).toBeUndefined();
});

test('with Redis and no peer credential the peer port stays closed', () => {
  expect(readConfig(redis).fleet).toMatchObject({ redisPrefix: 'rp', podAddress: '127.0.0.1', peer: { kind: 'none' } });
});

test('pods know each other by certificates of one authority, or by a token over TLS', () => {
  const byCertificate = readConfig({ ...redis, ...pair, RESPROXY_PEER_TLS_CA: 'ca.crt' });
  expect(byCertificate.fleet?.peer).toEqual({
    kind: 'mtls',
    certPath: 'peer.crt',
    keyPath: 'peer.key',
    caPath: 'ca.crt',
  });
  const byToken = readConfig({ ...redis, ...pair, RESPROXY_PEER_TOKEN_FILE: 'token' });
  expect(byToken.fleet?.peer).toMatchObject({ kind: 'token', tokenPath: 'token', caPath: undefined });
});

test.each([
  ['a credential without Redis', { ...pair, RESPROXY_PEER_TLS_CA: 'ca.crt' }, ['REDIS_URL']],
  ['a certificate without its key', { ...redis, RESPROXY_PEER_TLS_CERT: 'c', RESPROXY_PEER_TLS_CA: 'a' }, ['TLS_KEY']],
  ['a certificate that nobody can check', { ...redis, ...pair }, ['RESPROXY_PEER_TLS_CA']],
  ['a token without TLS', { ...redis, RESPROXY_PEER_TOKEN_FILE: 't' }, ['TLS_CERT', 'TLS_KEY']],
  ['an address that is a name', { ...redis, RESPROXY_POD_ADDRESS: 'pod-1.example.org' }, ['RESPROXY_POD_ADDRESS']],
])('refused: %s', (_case, env, named) => {
  const faults = faultsOf(env);
  expect(faults).toHaveLength(named.length);
  for (const [i, name] of named.entries()) expect(faults[i]).toContain(name);
});

test('what stands in REDIS_URL is in no fault', () => {
  const faults = faultsOf({ REDIS_URL: 'http://user:hunter2@host' });
  expect(faults).toEqual([expect.stringMatching(/^REDIS_URL: /)]);
  expect(faults.join()).not.toContain('hunter2');
});

test('a pod that listens everywhere says an address of its own', () => {
  const plain = { RESPROXY_BIND: '0.0.0.0', RESPROXY_PLAINTEXT: 'agent,http,grpc' };
  expect(readConfig({ ...redis, ...plain }).fleet?.podAddress).toMatch(/^[0-9a-f.:]+$/);
  expect(readConfig({ ...redis, ...plain }).fleet?.podAddress).not.toBe('0.0.0.0');
});
