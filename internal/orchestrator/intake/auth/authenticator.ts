// Who a call comes from, by its Authorization header. A token of ours that is wrong is answered as a missing one is; of a
// token of an issuer its bearer is told what is wrong with it, since only it can get another.
import { digestOf } from '../../../kit/digest.ts';
import { JobFailure } from '../../failure/failures.ts';
import { issuerLimits } from '../../issuers/issuer-limits.ts';
import type { Door } from '../call.ts';
import { allScopes, type Caller, freshLoad, unlimited } from './caller.ts';
import { invalidToken, type TokenCallers } from './token-callers.ts';

export interface Authenticator {
  /** Throws a JobFailure. A promise only for a token of an issuer that was not seen lately; it rejects with one. */
  authenticate(authorization: string | undefined, door: Door): Caller | Promise<Caller>;
}

export interface CallersByDigest {
  byDigest(digest: string): Caller | undefined;
}

const scheme = 'bearer ';
const sendToken = 'Send the token of a caller: `authorization: Bearer TOKEN`.';
/** JSON Web Tokens begin so: two objects and a signature. */
const jwtPattern = /^eyJ[\w-]*\.eyJ[\w-]*\.[\w-]+$/;

/**
 * Callers that show a token. They are looked up by its SHA-256, so the time that takes tells nothing of any token:
 * nobody can steer a digest towards another one.
 */
export class BearerAuthenticator implements Authenticator {
  readonly #callers: CallersByDigest;
  readonly #tokens: Pick<TokenCallers, 'known' | 'ask' | 'hasProviders'> | undefined;

  constructor(callers: CallersByDigest, tokens?: Pick<TokenCallers, 'known' | 'ask' | 'hasProviders'>) {
    this.#callers = callers;
    this.#tokens = tokens;
  }

  authenticate(authorization: string | undefined, door: Door): Caller | Promise<Caller> {
    const token = tokenOf(authorization);
    const digest = digestOf(token);
    return this.#callers.byDigest(digest) ?? this.#tokens?.known(digest) ?? this.#ask(token, digest, door);
  }

  #ask(token: string, digest: string, door: Door): Promise<Caller> {
    if (!this.#tokens?.hasProviders || !jwtPattern.test(token)) throw invalidToken(sendToken);
    return this.#tokens.ask(token, digest, door);
  }
}

/** Everybody is one and the same caller who may do everything: for a pod that only this machine reaches. */
export class OpenAuthenticator implements Authenticator {
  readonly #caller: Caller = {
    name: 'local',
    tenant: 'local',
    scopes: new Set(allScopes),
    limits: unlimited,
    load: freshLoad(),
  };

  authenticate(): Caller {
    return this.#caller;
  }
}

/** What follows `Bearer`. Throws a JobFailure when there is nothing, or too much. */
function tokenOf(authorization: string | undefined): string {
  if (authorization === undefined) throw new JobFailure('UNAUTHENTICATED', { detail: sendToken });
  if (authorization.length > issuerLimits.maxTokenLength)
    throw invalidToken(`The token is longer than ${issuerLimits.maxTokenLength} characters.`);
  const token =
    authorization.slice(0, scheme.length).toLowerCase() === scheme ? authorization.slice(scheme.length) : '';
  if (token.trim() === '') throw invalidToken(sendToken);
  return token.trim();
}
