import { expect, test } from '@jest/globals';
import { SettingsError } from '../../internal/kit/settings.ts';
import { readConfig } from './config.ts';

const ORCH_WS = 'wss://agents.example.org/agent';

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    readConfig(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

test('all it needs is what agents dial; it then looks after its own namespace', () => {
  expect(readConfig({ ORCH_WS })).toMatchObject({
    orchWs: ORCH_WS,
    namespaces: 'own',
    lease: { name: 'resproxy-operator', namespace: undefined },
    adminBind: '127.0.0.1',
    report: undefined,
  });
});

test('namespaces are a list, or all of them', () => {
  expect(readConfig({ ORCH_WS, RESPROXY_NAMESPACES: 'homes, labs,homes' }).namespaces).toEqual(['homes', 'labs']);
  expect(readConfig({ ORCH_WS, RESPROXY_NAMESPACES: '*' }).namespaces).toBe('all');
});

test('a report needs both its address and its token', () => {
  const url = 'http://resproxy-admin:9464/agent-counts';
  const file = '/etc/resproxy/report-token';
  expect(readConfig({ ORCH_WS, RESPROXY_REPORT_URL: url, RESPROXY_REPORT_TOKEN_FILE: file }).report).toEqual({
    url,
    tokenPath: file,
  });
  expect(faultsOf({ ORCH_WS, RESPROXY_REPORT_URL: url })).toEqual([expect.stringContaining('_TOKEN_FILE: is needed')]);
  expect(faultsOf({ ORCH_WS, RESPROXY_REPORT_TOKEN_FILE: file })).toEqual([expect.stringContaining('_URL: is needed')]);
});

test.each([
  ['nothing', undefined],
  ['another protocol', 'https://agents.example.org/agent'],
  ['a user', 'wss://me:secret@agents.example.org/agent'],
  ['no URL', 'agents'],
])('agents cannot dial %s', (_what, value) => {
  const faults = faultsOf({ ORCH_WS: value });
  expect(faults).toEqual([expect.stringContaining('ORCH_WS: must be')]);
  expect(faults.join()).not.toContain('secret');
});

test('every fault is told at once', () => {
  const env = { RESPROXY_NAMESPACES: 'Homes', RESPROXY_LEASE_NAME: 'A B', RESPROXY_ADMIN_PORT: 'x' };
  expect(faultsOf(env)).toHaveLength(4);
});
