// Who a call comes from, by its Authorization header. A missing, a malformed and a wrong token are one and the same
// answer.
import { digestOf } from '../../../kit/digest.ts';
import { allScopes, type Caller, freshLoad, unlimited } from './caller.ts';

export interface Authenticator {
  /** Undefined: nobody that is known. */
  authenticate(authorization: string | undefined): Caller | undefined;
}

export interface CallersByDigest {
  byDigest(digest: string): Caller | undefined;
}

/** A longer header holds no token of ours. */
const maxHeaderLength = 4096;
const scheme = 'bearer ';

/**
 * Callers that show a token. They are looked up by its SHA-256, so the time that takes tells nothing of any token:
 * nobody can steer a digest towards another one.
 */
export class BearerAuthenticator implements Authenticator {
  readonly #callers: CallersByDigest;

  constructor(callers: CallersByDigest) {
    this.#callers = callers;
  }

  authenticate(authorization: string | undefined): Caller | undefined {
    const token = tokenOf(authorization);
    return token === '' ? undefined : this.#callers.byDigest(digestOf(token));
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

/** What follows `Bearer`; empty for anything else. */
function tokenOf(authorization: string | undefined): string {
  if (authorization === undefined || authorization.length > maxHeaderLength) return '';
  if (authorization.slice(0, scheme.length).toLowerCase() !== scheme) return '';
  return authorization.slice(scheme.length).trim();
}
