import { describe, expect, test } from '@jest/globals';
import { digestOf } from '../../kit/digest.ts';
import { policySchema } from './policy.ts';

const least = { id: 'k1', name: 'berlin', digest: digestOf('x') };

describe('policy', () => {
  test('needs an id, a name and a digest; all else has a default that forbids nothing', () => {
    expect(policySchema.parse(least)).toEqual({
      ...least,
      labels: new Map(),
      tenants: new Set(),
      maxAgents: Number.POSITIVE_INFINITY,
      limits: { maxConcurrent: Number.POSITIVE_INFINITY },
      notAfter: undefined,
      suspended: false,
    });
  });

  test('reads every field', () => {
    const policy = policySchema.parse({
      ...least,
      labels: { country: 'DE', tier: 'home' },
      tenants: ['acme'],
      maxAgents: 3,
      limits: { maxConcurrent: 4 },
      notAfter: '2030-01-31T00:00:00+01:00',
      suspended: true,
    });
    expect(policy).toEqual({
      ...least,
      labels: new Map([
        ['country', 'DE'],
        ['tier', 'home'],
      ]),
      tenants: new Set(['acme']),
      maxAgents: 3,
      limits: { maxConcurrent: 4 },
      notAfter: Date.UTC(2030, 0, 30, 23),
      suspended: true,
    });
  });

  test.each([
    ['id', { id: 'a_b' }],
    ['name', { name: 'a b' }],
    ['digest', { digest: 'sha256:AB' }],
    ['labels.country', { labels: { country: 'Germany' } }],
    ['tenants.1', { tenants: ['a', ''] }],
    ['maxAgents', { maxAgents: 0 }],
    ['limits.maxConcurrent', { limits: { maxConcurrent: 1.5 } }],
    ['notAfter', { notAfter: 'tomorrow' }],
    ['suspended', { suspended: 'no' }],
    ['', { expires: 1 }],
    ['limits', { limits: { rate: 1 } }],
  ])('names the fault at %p', (path, wrong) => {
    const result = policySchema.safeParse({ ...least, ...wrong });
    expect(result.error?.issues.map((issue) => issue.path.join('.'))).toEqual([path]);
  });
});
