// Callers by tokens of issuers, as the chart sets them up: what the values turn into, and what they must not say.
import { beforeAll, describe, expect, test } from '@jest/globals';
import { parseCallers } from '../../../internal/orchestrator/intake/auth/callers-file.ts';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { at, fileOf, podOf, refusal, render, secretText } from './chart.ts';

const discovery = 'system:service-account-issuer-discovery';

beforeAll(() => {
  helm();
}, helmBuildBoundMs);

describe('providers of the values', () => {
  const rendered = () => fileOf('tokens');

  test('are those of the callers file, as the program reads it', () => {
    const text = secretText(rendered().one('Secret', 'callers'), 'callers.json');
    const { callers, providers } = parseCallers(text, 'callers.json');
    expect(callers.size).toBe(0);
    expect(providers).toMatchObject([
      { name: 'cluster', audience: 'resproxy', grants: [{ limits: { maxInFlight: 200 } }, { serviceAccount: '*' }] },
      { name: 'corp', algorithms: ['RS256'], maxLifetimeSeconds: 3600, grants: [{ tenantClaim: 'team' }] },
    ]);
  });

  test('need no token of ours, and none is made', () => {
    expect(
      rendered()
        .all('Secret')
        .map(({ metadata }) => metadata.name),
    ).not.toContain('demo-resproxy-caller');
  });

  test('find their files where the values say', () => {
    const pod = podOf(rendered().one('Deployment', 'orchestrator'));
    expect(at(pod, 'containers.0.volumeMounts')).toContainEqual({
      name: 'issuers',
      mountPath: '/etc/resproxy/issuers',
      readOnly: true,
    });
    expect(at(pod, 'volumes')).toContainEqual({
      name: 'issuers',
      secret: { secretName: 'issuer-files', defaultMode: 0o440 },
    });
  });

  test('of this cluster let orchestrators read its public keys, and nothing else does', () => {
    expect(rendered().one('ClusterRoleBinding')).toMatchObject({
      metadata: { name: 'home:demo-resproxy-orchestrator-issuer-discovery' },
      roleRef: { kind: 'ClusterRole', name: discovery },
      subjects: [{ kind: 'ServiceAccount', name: 'demo-resproxy-orchestrator', namespace: 'home' }],
    });
    expect(rendered().all('ClusterRole')).toEqual([]);
    expect(fileOf('alone').all('ClusterRoleBinding')).toEqual([]);
    const set = { 'callers.issuerDiscovery': true };
    expect(render({ file: 'everything.yaml', set }).all('ClusterRoleBinding')).toHaveLength(1);
  });

  const cluster = { name: 'cluster', type: 'kubernetes', grants: [] };
  const corp = { name: 'corp', type: 'jwks', issuer: 'https://a.example', grants: [] };
  const account = { namespace: 'ads', serviceAccount: 'x', tenant: 'ads', scopes: ['jobs:run'] };
  test.each([
    [{ ...cluster, type: 'saml' }, "value must be one of 'kubernetes', 'jwks'"],
    [{ ...cluster, jwksUri: 'https://a.example' }, "additional properties 'jwksUri' not allowed"],
    [{ ...corp, issuer: undefined }, "missing property 'issuer'"],
    [{ ...corp, algorithms: ['HS256'] }, 'value must be one of'],
    [{ ...corp, grants: [{ tenant: 'ads', scopes: ['jobs:run'] }] }, "missing property 'subject'"],
    [{ ...corp, grants: [{ subject: '*', scopes: ['jobs:run'] }] }, "missing property 'tenant'"],
    [{ ...cluster, grants: [{ ...account, scopes: ['jobs:all'] }] }, 'value must be one of'],
    [{ ...cluster, grants: [{ ...account, subject: 'x' }] }, "additional properties 'subject' not allowed"],
  ])('%j is refused by the schema', (provider, sentence) => {
    expect(refusal({ set: { 'callers.providers': [provider] } })).toContain(sentence);
  });

  test.each([
    [
      { 'callers.existingSecret': 'x', 'test.enabled': false, 'callers.providers': [cluster] },
      'put the providers into it',
    ],
    [{ 'callers.first': false, 'test.enabled': false }, 'nobody could call'],
    [{ 'callers.first': false, 'callers.providers': [cluster] }, 'there is no token that helm test could use'],
  ])('%j is refused with a sentence', (set, sentence) => {
    expect(refusal({ set })).toContain(sentence);
  });
});
