import { expect, test } from '@jest/globals';
import { SettingsError } from '../../internal/kit/settings.ts';
import { readConfig } from './config.ts';

test('the defaults are valid', () => {
  expect(readConfig({}).ports).toEqual({ http: 8080, grpc: 9090, agent: 8443, admin: 9464 });
});

test("the shell's settings of other programs do not leak into the children", () => {
  const env = { PATH: '/bin', AGENT_KEY: 'x', ORCH_WS: 'wss://elsewhere/agent', RESPROXY_KEYS: 'y', REDIS_URL: 'z' };
  expect(readConfig(env).env).toEqual({ PATH: '/bin' });
});

test('every fault is reported together', () => {
  expect(() => readConfig({ RESPROXY_HTTP_PORT: '70000', RESPROXY_GRPC_PORT: 'x' })).toThrow(SettingsError);
});
