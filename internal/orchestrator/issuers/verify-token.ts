// Whether a token is what its issuer's configuration asks for: signature and claims by jose, and beside that only what
// jose has no option for. The words are for the caller, and none of them is from the token but its times.
import { errors, type JWTPayload, jwtVerify } from 'jose';
import type { IssuerConfig } from './issuer-config.ts';
import type { HeldKeys } from './issuer-keys.ts';
import { issuerLimits } from './issuer-limits.ts';

/** What metrics count refusals by. */
export const refusals = [
  'malformed',
  'issuer',
  'algorithm',
  'unknown_key',
  'signature',
  'audience',
  'expired',
  'not_yet_valid',
  'lifetime',
  'claims',
] as const;
export type Refusal = (typeof refusals)[number];

export type Check =
  | { readonly kind: 'good'; readonly subject: string; readonly claims: JWTPayload; readonly goodUntilMs: number }
  | { readonly kind: 'refused'; readonly why: Refusal; readonly detail: string };

type Claims = JWTPayload & { readonly exp: number };

const subjectPattern = new RegExp(`^[\\x20-\\x7e]{1,${issuerLimits.maxSubjectLength}}$`);

/** Never rejects. `wallMs` is Unix time. */
export async function verifyToken(
  token: string,
  { issuer, find }: HeldKeys,
  config: IssuerConfig,
  wallMs: number,
): Promise<Check> {
  const options = {
    issuer,
    audience: config.audience,
    algorithms: config.algorithms,
    clockTolerance: config.leewaySeconds,
    currentDate: new Date(wallMs),
    requiredClaims: ['exp', 'sub'],
  };
  try {
    return checkRest((await verifyByAny(token, find, options)) as Claims, config, wallMs);
  } catch (error) {
    return { kind: 'refused', ...said(error, config) };
  }
}

/** A token that does not name its key may be of any that fits its algorithm. */
async function verifyByAny(
  token: string,
  find: HeldKeys['find'],
  options: Parameters<typeof jwtVerify>[2],
): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, find, options)).payload;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error;
    let tried = 0;
    for await (const key of error) {
      if (++tried > issuerLimits.maxCandidates) break;
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (failure) {
        if (!(failure instanceof errors.JWSSignatureVerificationFailed)) throw failure;
      }
    }
    throw new errors.JWSSignatureVerificationFailed();
  }
}

function checkRest(claims: Claims, config: IssuerConfig, wallMs: number): Check {
  const { sub: subject, iat, exp } = claims;
  const { leewaySeconds, maxLifetimeSeconds } = config;
  if (typeof subject !== 'string' || !subjectPattern.test(subject))
    return refused(
      'claims',
      `The token's subject is not a text of 1 to ${issuerLimits.maxSubjectLength} ASCII characters.`,
    );
  if (iat !== undefined && iat > wallMs / 1000 + leewaySeconds)
    return refused('not_yet_valid', `The token says that it was issued in the future, at ${timeOf(iat)}.`);
  if (maxLifetimeSeconds !== undefined && (iat === undefined || exp - iat > maxLifetimeSeconds))
    return refused('lifetime', `The token lives for longer than the ${maxLifetimeSeconds} s that are allowed.`);
  return { kind: 'good', subject, claims, goodUntilMs: (exp + leewaySeconds) * 1000 };
}

function refused(why: Refusal, detail: string): Check {
  return { kind: 'refused', why, detail };
}

function said(error: unknown, { audience, algorithms }: IssuerConfig): { why: Refusal; detail: string } {
  if (error instanceof errors.JWTExpired)
    return { why: 'expired', detail: `The token expired at ${timeOf(error.payload.exp)}.` };
  if (error instanceof errors.JWTClaimValidationFailed) return saidOfClaim(error, audience);
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return { why: 'signature', detail: "The token's signature is not that of its issuer's key." };
  if (error instanceof errors.JOSEAlgNotAllowed || error instanceof errors.JOSENotSupported)
    return { why: 'algorithm', detail: `The token has to be signed by one of ${algorithms.join(', ')}.` };
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
    return { why: 'malformed', detail: 'The token is not a JSON Web Token.' };
  // No key fits, or the one that does cannot be used.
  return { why: 'unknown_key', detail: 'The token is signed by a key that its issuer does not publish.' };
}

function saidOfClaim({ claim, payload }: errors.JWTClaimValidationFailed, audience: string) {
  switch (claim) {
    case 'aud':
      return { why: 'audience', detail: `The token's audience has to be "${audience}".` } as const;
    case 'iss':
      return { why: 'issuer', detail: 'The token is of an issuer that is not trusted here.' } as const;
    case 'nbf':
      return { why: 'not_yet_valid', detail: `The token is not valid before ${timeOf(payload.nbf)}.` } as const;
    default:
      return { why: 'claims', detail: `The token's claim "${claim}" is missing or not of its form.` } as const;
  }
}

/** Numbers of a token may be any. */
function timeOf(seconds: unknown): string {
  const date = new Date(Number(seconds) * 1000);
  return Number.isNaN(date.getTime()) ? 'a time that is none' : date.toISOString();
}
