// The agent's settings: what is read, and that every fault is told at once and without a secret.
import { describe, expect, test } from '@jest/globals';
import { describeSettings, SettingsError } from '../../internal/kit/settings.ts';
import { readAgentSettings, settings } from './config.ts';

const needed = { ORCH_WS: 'wss://orchestrator.example/agent', AGENT_KEY: 'rpk_id_secret' };
const noFile = '/nonexistent/.env';

function read(env: NodeJS.ProcessEnv) {
  return readAgentSettings({ ...needed, ...env }, noFile);
}

function faultsOf(env: NodeJS.ProcessEnv): readonly string[] {
  try {
    read(env);
  } catch (error) {
    if (error instanceof SettingsError) return error.faults;
    throw error;
  }
  return [];
}

describe('the settings of an agent', () => {
  test('have defaults for all but the orchestrator and the key', () => {
    expect(read({})).toEqual({
      ...needed,
      AGENT_NAME: 'default',
      AGENT_MAX_CONCURRENT: 8,
      AGENT_LABELS: {},
      AGENT_ALLOW_PORTS: [80, 443],
      AGENT_ALLOW_ENDPOINTS: [],
      AGENT_ALLOW_PLAINTEXT: 'false',
      AGENT_GRACE_PERIOD_MS: 10_000,
      LOG_LEVEL: 'info',
    });
  });

  test('read lists', () => {
    const values = read({
      AGENT_LABELS: 'country=DE, region=BE,line=fibre',
      AGENT_ALLOW_PORTS: '80,443,8080',
      AGENT_ALLOW_ENDPOINTS: '127.0.0.1/32:9000,[::1]/128:9000',
    });
    expect(values.AGENT_LABELS).toEqual({ country: 'DE', region: 'BE', line: 'fibre' });
    expect(values.AGENT_ALLOW_PORTS).toEqual([80, 443, 8080]);
    expect(values.AGENT_ALLOW_ENDPOINTS.map(({ port }) => port)).toEqual([9000, 9000]);
  });

  test('are told faulty all together', () => {
    const env = {
      ORCH_WS: undefined,
      AGENT_KEY: '',
      AGENT_NAME: 'Berlin',
      AGENT_MAX_CONCURRENT: '0',
      AGENT_LABELS: 'country=de,country=DE,line',
      AGENT_ALLOW_PORTS: '0',
      AGENT_ALLOW_ENDPOINTS: '10.0.0.1:80',
      AGENT_ALLOW_PLAINTEXT: 'yes',
      AGENT_GRACE_PERIOD_MS: '-1',
      LOG_LEVEL: 'loud',
    };
    const names = faultsOf(env).map((fault) => fault.split(':')[0]);
    expect(new Set(names)).toEqual(new Set(Object.keys(env)));
    expect(faultsOf(env)).toContain('ORCH_WS: must be set');
    expect(faultsOf(env)).toContain('AGENT_KEY: must be set');
  });

  test.each([
    ['http://orchestrator.example/agent', 'such as wss'],
    ['orchestrator.example', 'such as wss'],
    ['wss://user:password@orchestrator.example/agent', 'user name or a password'],
    ['wss://orchestrator.example/agent#a', 'behind #'],
  ])('refuse ORCH_WS=%s', (url, fault) => {
    expect(faultsOf({ ORCH_WS: url }).join()).toContain(fault);
    expect(faultsOf({ ORCH_WS: url })).toHaveLength(1);
  });

  test.each([
    'ws://127.0.0.1:8443/agent',
    'ws://localhost:8443/agent',
    'ws://[::1]:8443/agent',
    'ws://127.9.9.9/agent',
  ])('allow %s: it stays on this machine', (url) => {
    expect(read({ ORCH_WS: url }).ORCH_WS).toBe(url);
  });

  test.each([
    'ws://orchestrator.example/agent',
    'ws://192.168.0.2/agent',
    'ws://127.0.0.1.example/agent',
    'ws://localhost.example/agent',
    'ws://[::ffff:7f00:1]/agent',
  ])('refuse %s unless plaintext is allowed by name', (url) => {
    expect(faultsOf({ ORCH_WS: url })).toEqual([expect.stringContaining('AGENT_ALLOW_PLAINTEXT=true')]);
    expect(read({ ORCH_WS: url, AGENT_ALLOW_PLAINTEXT: 'true' }).ORCH_WS).toBe(url);
  });

  test('tell of plaintext beside the other faults', () => {
    expect(faultsOf({ ORCH_WS: 'ws://orchestrator.example/agent', AGENT_NAME: '?' })).toHaveLength(2);
  });

  test('never show the key', () => {
    const key = 'the secret key';
    expect(faultsOf({ AGENT_KEY: key })).toEqual([
      'AGENT_KEY: must be the key as it was given: no spaces or line breaks',
    ]);
    expect(describeSettings(settings)).not.toContain(needed.AGENT_KEY);
  });

  test('bound the number of labels', () => {
    const labels = Array.from({ length: 33 }, (_, i) => `l${i}=x`).join();
    expect(faultsOf({ AGENT_LABELS: labels })).toEqual(['AGENT_LABELS: must be at most 32']);
  });

  test('tell of a private authority in the help', () => {
    expect(describeSettings(settings)).toContain('NODE_EXTRA_CA_CERTS');
  });
});
