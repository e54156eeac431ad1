import { describe, expect, test } from '@jest/globals';
import { accountGrants, claimGrants, type Granted, grantToAccount, grantToSubject } from './grants.ts';

const scopes = ['jobs:run', 'jobs:read'];

function told(granted: Granted): string {
  return granted.kind === 'nothing' ? granted.missing : `${granted.tenant} ${[...granted.scopes].join()}`;
}

describe('a ServiceAccount', () => {
  const grants = accountGrants.parse([
    { namespace: 'ads', serviceAccount: 'admin', tenant: 'ads', scopes: ['agents:admin'] },
    { namespace: 'ads', serviceAccount: '*', tenant: 'ads', scopes, limits: { maxInFlight: 3 } },
    { namespace: 'shop', serviceAccount: 'web', tenant: 'shop', scopes },
  ]);
  const ask = (subject: string) => grantToAccount(grants, { provider: 'cluster', subject, claims: {} });

  test('gets what the first grant says that names it, or its namespace', () => {
    expect(told(ask('system:serviceaccount:ads:admin'))).toBe('ads agents:admin');
    expect(ask('system:serviceaccount:ads:checker')).toMatchObject({ tenant: 'ads', limits: { maxInFlight: 3 } });
    expect(told(ask('system:serviceaccount:shop:web'))).toBe('shop jobs:run,jobs:read');
  });

  test('that no grant names gets nothing, and is told which grant would', () => {
    const missing = told(ask('system:serviceaccount:shop:other'));
    expect(missing).toContain('provider "cluster"');
    expect(missing).toContain('{"namespace": "shop", "serviceAccount": "other", "tenant": ..., "scopes": [...]}');
  });

  test('is no text that looks nearly like one', () => {
    for (const subject of [
      'system:serviceaccount:ads',
      'system:serviceaccount:ads:a:b',
      'x system:serviceaccount:ads:a',
    ])
      expect(told(ask(subject))).toContain('not that of a ServiceAccount');
  });
});

describe('a subject of another issuer', () => {
  const ask = (grants: object[], claims: Record<string, unknown> = {}, subject = 'robot') =>
    told(grantToSubject(claimGrants.parse(grants), { provider: 'corp', subject, claims }));

  test('is named exactly, by * or by its claims, all of them', () => {
    expect(ask([{ subject: 'robot', tenant: 'ads', scopes }])).toBe('ads jobs:run,jobs:read');
    expect(ask([{ subject: 'rob', tenant: 'ads', scopes }])).toContain('{"subject": "robot"');
    expect(ask([{ subject: '*', tenant: 'all', scopes }])).toBe('all jobs:run,jobs:read');
    const byClaims = [{ claims: { team: 'ads', '/realm_access/roles': 'caller' }, tenant: 'ads', scopes }];
    expect(ask(byClaims, { team: 'ads', realm_access: { roles: ['x', 'caller'] } })).toContain('ads jobs:run');
    expect(ask(byClaims, { team: 'ads', realm_access: { roles: ['x'] } })).toContain('grants nothing');
    expect(ask(byClaims, { team: ['adsx'], realm_access: { roles: 'caller' } })).toContain('grants nothing');
  });

  test('is not named by what an object inherits', () => {
    expect(ask([{ claims: { '/constructor/name': 'Object' }, tenant: 'ads', scopes }])).toContain('grants nothing');
  });

  test('has the tenant of its claim, if that is the name of one', () => {
    const grants = [{ subject: '*', tenantClaim: 'https://corp.example/tenant', scopes }];
    expect(ask(grants, { 'https://corp.example/tenant': 'ads' })).toBe('ads jobs:run,jobs:read');
    for (const tenant of [undefined, '', 'a b', 7, ['ads']])
      expect(ask(grants, { 'https://corp.example/tenant': tenant })).toContain('does not name a tenant');
  });

  test('has no more scopes than its claim and its grant have both', () => {
    const grants = [{ subject: '*', tenant: 'ads', scopes, scopesClaim: 'scope' }];
    expect(ask(grants, { scope: 'openid jobs:run agents:admin' })).toBe('ads jobs:run');
    expect(ask(grants, { scope: ['jobs:read', 'jobs:run'] })).toBe('ads jobs:run,jobs:read');
    for (const scope of [undefined, '', 'agents:admin', { 'jobs:run': true }])
      expect(ask(grants, { scope })).toContain('names none of jobs:run, jobs:read');
  });
});
