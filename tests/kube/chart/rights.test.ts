// Who may do what: ServiceAccounts, Roles, namespaces of AgentKeys, and the first caller.
import { createHash } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { at, envOf, fileOf, type Manifest, podOf, type Rendered, render, secretText } from './chart.ts';

beforeAll(() => {
  helm();
}, helmBuildBoundMs);

describe('rights', () => {
  const rules = (role: Manifest) => role.rules as { resources: string[]; verbs: string[]; resourceNames?: string[] }[];

  test('an orchestrator reads AgentKeys and nothing else', () => {
    expect(fileOf('alone').one('Role', 'orchestrator').rules).toEqual([
      { apiGroups: ['resproxy.dev'], resources: ['agentkeys'], verbs: ['list', 'watch'] },
    ]);
  });

  test('the operator alone writes statuses, and deletes nothing', () => {
    const operator = rules(fileOf('alone').one('Role', 'operator'));
    const verbs = Object.fromEntries(operator.map((rule) => [rule.resources.join(), rule.verbs]));
    expect(verbs['agentkeys/status']).toContain('update');
    expect(operator.flatMap((rule) => rule.verbs)).not.toContain('delete');
    expect(operator.flatMap((rule) => rule.verbs)).not.toContain('*');
  });

  test('the Lease is named; only its creation cannot be', () => {
    expect(rules(fileOf('alone').one('Role', 'operator-lease'))).toEqual([
      {
        apiGroups: ['coordination.k8s.io'],
        resources: ['leases'],
        resourceNames: ['demo-resproxy-operator'],
        verbs: ['get', 'update'],
      },
      { apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['create'] },
    ]);
  });

  test('are given in each namespace of AgentKeys', () => {
    const where = (kind: string, part: string) =>
      fileOf('everything')
        .all(kind)
        .filter(({ metadata }) => metadata.name === `demo-resproxy-${part}`)
        .map(({ metadata }) => metadata.namespace);
    for (const kind of ['Role', 'RoleBinding'])
      for (const part of ['orchestrator', 'operator']) expect(where(kind, part)).toEqual(['homes', 'lab', 'home']);
    expect(fileOf('everything').all('ClusterRole')).toEqual([]);
    expect(fileOf('everything').one('RoleBinding', 'operator-lease').metadata.namespace).toBe('home');
  });

  test('are given to the operator everywhere on request, and to orchestrators never', () => {
    const names = (kind: string) =>
      fileOf('cluster-wide')
        .all(kind)
        .map(({ metadata }) => metadata.name);
    expect(names('ClusterRole')).toEqual(['home:demo-resproxy-operator']);
    expect(names('ClusterRoleBinding')).toEqual(['home:demo-resproxy-operator']);
    expect(names('Role').sort()).toEqual(['demo-resproxy-operator-lease', 'demo-resproxy-orchestrator']);
    const env = envOf(fileOf('cluster-wide').one('Deployment', 'operator'));
    expect(env.RESPROXY_NAMESPACES).toBe('*');
  });
});

describe('AgentKeys', () => {
  const keys = (rendered: Rendered) => envOf(rendered.one('Deployment', 'orchestrator')).RESPROXY_KEYS;

  test('come from the namespace of the release, and from those named', () => {
    expect(keys(fileOf('alone'))).toBe('kubernetes:home');
    expect(keys(fileOf('everything'))).toBe('kubernetes:homes=ads,lab,home');
    const set = { 'agentKeys.namespaces': [{ name: 'home', tenant: 'ads' }] };
    expect(keys(render({ set }))).toBe('kubernetes:home=ads');
  });

  test.each([
    ['alone', 'ws://demo-resproxy-agent.home.svc:8443/agent'],
    ['fleet', 'wss://agents.example.com/agent'],
    ['cluster-wide', 'wss://agents.example.com/agent'],
  ])('of %s tell agents to dial %s', (name, url) => {
    expect(Object.values(envOf(fileOf(name).one('Deployment', 'operator')))).toContain(url);
  });

  test('stay when the release goes', () => {
    expect(fileOf('alone').one('CustomResourceDefinition').metadata.annotations).toEqual({
      'helm.sh/resource-policy': 'keep',
    });
    expect(render({ set: { 'crds.keep': false } }).one('CustomResourceDefinition').metadata).not.toHaveProperty(
      'annotations',
    );
    expect(fileOf('cluster-wide').all('CustomResourceDefinition')).toEqual([]);
  });
});

describe('the first caller', () => {
  test('has a token that orchestrators know by its digest alone', () => {
    const rendered = fileOf('alone');
    const token = secretText(rendered.one('Secret', 'caller'), 'token');
    expect(token).toMatch(/^[A-Za-z0-9]{43}$/);
    expect(JSON.parse(secretText(rendered.one('Secret', 'callers'), 'callers.json'))).toMatchObject({
      callers: [{ digest: `sha256:${createHash('sha256').update(token).digest('hex')}`, tenant: 'default' }],
    });
    expect(at(podOf(rendered.one('Deployment', 'orchestrator')), 'volumes')).toContainEqual({
      name: 'callers',
      secret: { secretName: 'demo-resproxy-callers', defaultMode: 0o440 },
    });
  });

  test('is not made when there are callers', () => {
    expect(fileOf('everything').all('Secret')).toEqual([]);
  });
});
