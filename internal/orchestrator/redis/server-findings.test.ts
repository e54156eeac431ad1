import { expect, test } from '@jest/globals';
import { parseInfo, type ServerFacts } from './server-facts.ts';
import { findingsOf } from './server-findings.ts';

const good = {
  redis_version: '7.0.15',
  maxmemory_policy: 'noeviction',
  role: 'master',
  cluster_enabled: '0',
  aof_enabled: '1',
};

function facts(info: Readonly<Record<string, string>> = {}, rest: Partial<ServerFacts> = {}): ServerFacts {
  return {
    node: 'r:1',
    info: new Map(Object.entries({ ...good, ...info })),
    save: '',
    clusterState: undefined,
    ...rest,
  };
}

test('a server in order has no findings', () => {
  expect(findingsOf('single', facts())).toEqual([]);
  expect(findingsOf('sentinel', facts({ aof_enabled: '0' }, { save: '3600 1' }))).toEqual([]);
  expect(findingsOf('cluster', facts({ cluster_enabled: '1' }, { clusterState: 'ok' }))).toEqual([]);
});

test.each([
  ['an old version', 'fatal', /Redis 7 or newer.*6\.2\.14/, facts({ redis_version: '6.2.14' })],
  ['eviction', 'fatal', /CONFIG SET maxmemory-policy noeviction/, facts({ maxmemory_policy: 'allkeys-lru' })],
  ['a replica', 'fatal', /name its master/, facts({ role: 'slave' })],
  ['a Cluster named as one server', 'fatal', /redis\+cluster:/, facts({ cluster_enabled: '1' })],
  ['no persistence', 'warning', /CONFIG SET appendonly yes/, facts({ aof_enabled: '0' })],
  ['an ACL without CONFIG', 'warning', /\+config\|get/, facts({ aof_enabled: '0' }, { save: undefined })],
] as const)('%s is found: %s', (_, level, text, server) => {
  expect(findingsOf('single', server)).toEqual([{ level, text: expect.stringMatching(text) }]);
});

test('a Cluster that is not whole is a warning that names the node', () => {
  const broken = facts({ cluster_enabled: '1' }, { clusterState: 'fail' });
  expect(findingsOf('cluster', broken)).toEqual([{ level: 'warning', text: expect.stringMatching(/^r:1: .*fail/) }]);
});

test('INFO is read field by field', () => {
  const info = parseInfo('# Server\r\nredis_version:7.0.15\r\nos:Linux:x\r\n\r\n');
  expect([...info]).toEqual([
    ['redis_version', '7.0.15'],
    ['os', 'Linux:x'],
  ]);
});
