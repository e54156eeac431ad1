import { expect, test } from '@jest/globals';
import { readConfig } from './config.ts';

const queue = (env: NodeJS.ProcessEnv) => readConfig(env).queue;

test('without settings jobs are kept beside the keys, for a day, and no receiver is inside', () => {
  expect(queue({})).toEqual({
    dataDir: './.resproxy',
    resultTtlMs: 24 * 3_600_000,
    maxAttempts: 3,
    maxOpenPerTenant: 1_000_000,
    callbackAllow: [],
    callbackSecretsFile: './.resproxy/callback-secrets.json',
  });
});

test.each([
  ['90s', 90_000],
  ['30m', 1_800_000],
  ['7d', 7 * 86_400_000],
])('a result may be kept for %s', (text, ms) => {
  expect(queue({ RESPROXY_RESULT_TTL: text }).resultTtlMs).toBe(ms);
});

test.each([
  ['RESPROXY_RESULT_TTL', '24'],
  ['RESPROXY_RESULT_TTL', '1s'],
  ['RESPROXY_RESULT_TTL', '31d'],
  ['RESPROXY_MAX_ATTEMPTS', '0'],
  ['RESPROXY_MAX_ATTEMPTS', '11'],
  ['RESPROXY_MAX_OPEN_JOBS', '0'],
  ['RESPROXY_CALLBACK_ALLOW', '10.0.0.0/8'],
  ['RESPROXY_CALLBACK_SECRETS', './secrets.json'],
])('%s=%s is refused by name', (name, value) => {
  expect(() => queue({ [name]: value })).toThrow(name);
});
