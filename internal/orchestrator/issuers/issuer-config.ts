// An issuer of tokens as the callers file names it: who it is, where its keys are, and what its tokens must be. The
// shapes are parts of a provider there.
import * as z from 'zod';

/** Asymmetric all of them: a key that checks tokens must not be one that makes them. */
export const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
] as const;

const name = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,64}$/, 'must be 1 to 64 letters, digits, dots, underscores and dashes');
const path = z.string().min(1, 'must not be empty').max(4_096, 'must be at most 4096 characters');
/** Compared with tokens as it is written. */
const issuer = z
  .string()
  .max(1_024, 'must be at most 1024 characters')
  .refine((text) => isTrustedUrl(text) && new URL(text).search === '', 'must be an https:// URL without a query');
const seconds = (min: number, max: number) =>
  z.int('must be a whole number').min(min, `must be at least ${min}`).max(max, `must be at most ${max}`);

const tokenShape = {
  name,
  /** What tokens must be for. */
  audience: z.string().min(1, 'must not be empty').max(1_024, 'must be at most 1024 characters').default('resproxy'),
  algorithms: z
    .array(z.enum(algorithms, `must be one of ${algorithms.join(', ')}`))
    .min(1, 'must name at least one')
    .default([...algorithms]),
  /** How far clocks may be apart. */
  leewaySeconds: seconds(0, 60).default(10),
  /** From `iat` to `exp`; longer ones are refused. */
  maxLifetimeSeconds: seconds(60, 366 * 86_400).optional(),
};

export const jwksShape = {
  ...tokenShape,
  type: z.literal('jwks'),
  issuer,
  /** Left out: by OpenID Connect discovery. */
  jwksUri: z.string().refine(isTrustedUrl, 'must be an https:// URL').optional(),
  /** PEM of the authority, where the issuer's certificate is not of a public one. */
  caFile: path.optional(),
  /** A bearer token to ask for the keys with; read anew each time. */
  tokenFile: path.optional(),
};

export const kubernetesShape = {
  ...tokenShape,
  type: z.literal('kubernetes'),
  /** Left out: whatever the API server says. */
  issuer: issuer.optional(),
};

export type JwksIssuer = z.infer<z.ZodObject<typeof jwksShape>>;
export type KubernetesIssuer = z.infer<z.ZodObject<typeof kubernetesShape>>;
export type IssuerConfig = JwksIssuer | KubernetesIssuer;

/** Keys that came over a plain line are anybody's; this machine alone is excepted. */
export function isTrustedUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== '' || password !== '' || hash !== '') return false;
  return protocol === 'https:' || (protocol === 'http:' && isThisMachine(hostname));
}

function isThisMachine(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}
