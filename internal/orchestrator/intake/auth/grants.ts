// What a token that is good makes of its bearer: the first grant that fits says tenant, scopes and limits. Nothing is
// granted that no grant names, and a claim of the token can narrow a grant's scopes but never widen them.
import * as z from 'zod';
import { allScopes, type Caller, type Scope } from './caller.ts';
import { callerName, limits, scopes } from './caller-schema.ts';

/** A claim by its name, or by a JSON Pointer (RFC 6901) into the claims when it begins with a slash. */
const claim = z.string().min(1, 'must not be empty').max(256, 'must be at most 256 characters');
const subject = z.string().min(1, 'must not be empty').max(255, 'must be at most 255 characters');
const grantedShape = {
  tenant: callerName,
  /** The most that is granted. */
  scopes: scopes.min(1, 'must name at least one'),
  limits,
};

/** Names of Kubernetes; `*` is every ServiceAccount of the namespace. */
const accountGrant = z.strictObject({
  namespace: z.string().regex(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/, 'must be the name of a namespace'),
  serviceAccount: z
    .string()
    .regex(/^(\*|[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)$/, 'must be the name of a ServiceAccount, or *'),
  ...grantedShape,
});

const claimGrant = z
  .strictObject({
    /** `*` is everybody whom the issuer makes a token for this audience. */
    subject: subject.optional(),
    /** Each has to be that text, or a list that holds it. */
    claims: z.record(claim, z.string().max(1_024, 'must be at most 1024 characters')).default({}),
    ...grantedShape,
    tenant: callerName.optional(),
    tenantClaim: claim.optional(),
    scopesClaim: claim.optional(),
  })
  .refine((grant) => grant.subject !== undefined || Object.keys(grant.claims).length > 0, {
    path: ['subject'],
    error: 'is needed where there are no claims; * is everybody',
  })
  .refine((grant) => (grant.tenant === undefined) !== (grant.tenantClaim === undefined), {
    path: ['tenant'],
    error: 'is needed, or tenantClaim in its place',
  });

const maxGrants = 1_000;
export const accountGrants = z.array(accountGrant).max(maxGrants, `are more than ${maxGrants}`);
export const claimGrants = z.array(claimGrant).max(maxGrants, `are more than ${maxGrants}`);
export type AccountGrant = z.infer<typeof accountGrant>;
export type ClaimGrant = z.infer<typeof claimGrant>;

export type Granted =
  | ({ readonly kind: 'granted' } & Pick<Caller, 'tenant' | 'scopes' | 'limits'>)
  /** What is missing, for whoever looks after the callers file. */
  | { readonly kind: 'nothing'; readonly missing: string };

export interface Bearer {
  readonly provider: string;
  readonly subject: string;
  readonly claims: Readonly<Record<string, unknown>>;
}

const accountPattern = /^system:serviceaccount:([^:]+):([^:]+)$/;

export function grantToAccount(grants: readonly AccountGrant[], { provider, subject }: Bearer): Granted {
  const [, namespace, serviceAccount] = accountPattern.exec(subject) ?? [];
  const grant = grants.find(
    (candidate) =>
      candidate.namespace === namespace &&
      (candidate.serviceAccount === '*' || candidate.serviceAccount === serviceAccount),
  );
  if (grant) return { kind: 'granted', tenant: grant.tenant, scopes: new Set(grant.scopes), limits: grant.limits };
  const rule = `{"namespace": "${namespace}", "serviceAccount": "${serviceAccount}", "tenant": ..., "scopes": [...]}`;
  const missing =
    namespace === undefined
      ? 'The token is good, but not that of a ServiceAccount.'
      : `The token is good, but provider "${provider}" grants nothing to it: ${rule} among its grants would.`;
  return { kind: 'nothing', missing };
}

export function grantToSubject(grants: readonly ClaimGrant[], bearer: Bearer): Granted {
  const { provider, subject, claims } = bearer;
  const grant = grants.find((candidate) => fits(candidate, bearer));
  if (!grant)
    return nothing(
      `provider "${provider}" grants nothing to it: {"subject": ${JSON.stringify(subject)}, "tenant": ..., "scopes": [...]} among its grants would.`,
    );
  const tenant = grant.tenant ?? claimed(claims, grant.tenantClaim ?? '');
  if (!callerName.safeParse(tenant).success)
    return nothing(`its claim "${grant.tenantClaim}" does not name a tenant (provider "${provider}").`);
  const granted = narrowed(grant, claims);
  if (granted.size === 0)
    return nothing(
      `its claim "${grant.scopesClaim}" names none of ${grant.scopes.join(', ')} (provider "${provider}").`,
    );
  return { kind: 'granted', tenant: String(tenant), scopes: granted, limits: grant.limits };
}

function nothing(why: string): Granted {
  return { kind: 'nothing', missing: `The token is good, but ${why}` };
}

function fits(grant: ClaimGrant, { subject, claims }: Bearer): boolean {
  if (grant.subject !== undefined && grant.subject !== '*' && grant.subject !== subject) return false;
  return Object.entries(grant.claims).every(([name, wanted]) => {
    const value = claimed(claims, name);
    return value === wanted || (Array.isArray(value) && value.includes(wanted));
  });
}

/** As OAuth writes scopes: words in one text, or a list. */
function narrowed({ scopes: most, scopesClaim }: ClaimGrant, claims: Bearer['claims']): ReadonlySet<Scope> {
  if (scopesClaim === undefined) return new Set(most);
  const value = claimed(claims, scopesClaim);
  const words: readonly unknown[] = typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  return new Set(allScopes.filter((scope) => most.includes(scope) && words.includes(scope)));
}

function claimed(claims: Bearer['claims'], name: string): unknown {
  if (!name.startsWith('/')) return Object.hasOwn(claims, name) ? claims[name] : undefined;
  let value: unknown = claims;
  for (const part of name.slice(1).split('/')) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}
