// Providers of the callers file: issuers whose tokens callers may show, and what is granted to whom.
import * as z from 'zod';
import { jwksShape, kubernetesShape } from '../../issuers/issuer-config.ts';
import { issuerLimits } from '../../issuers/issuer-limits.ts';
import { accountGrants, type Bearer, claimGrants, type Granted, grantToAccount, grantToSubject } from './grants.ts';

const provider = z.discriminatedUnion(
  'type',
  [
    z.strictObject({ ...jwksShape, grants: claimGrants }),
    z.strictObject({ ...kubernetesShape, grants: accountGrants }),
  ],
  'must be jwks or kubernetes',
);
export type Provider = z.infer<typeof provider>;

const { maxIssuers } = issuerLimits;
export const providers = z
  .array(provider)
  .max(maxIssuers, `are more than ${maxIssuers}`)
  .superRefine((list, context) => {
    for (const key of ['name', 'issuer'] as const) {
      const seen = new Set<string>();
      for (const [i, { [key]: value }] of list.entries()) {
        if (value === undefined) continue;
        if (seen.has(value)) context.addIssue({ code: 'custom', path: [i, key], message: 'another provider has it' });
        seen.add(value);
      }
    }
  });

export function grant(given: Provider, bearer: Bearer): Granted {
  return given.type === 'kubernetes' ? grantToAccount(given.grants, bearer) : grantToSubject(given.grants, bearer);
}
