// An issuer as tests want it: real keys, real tokens, and a set of keys that can be changed, or be away.
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose';
import type { IssuerDocuments, Published } from './documents.ts';
import type { JwksIssuer } from './issuer-config.ts';

export type Claims = { readonly [name in keyof JWTPayload]?: JWTPayload[name] | undefined };

export interface TokenOptions {
  /** One that is undefined is left out. */
  readonly claims?: Claims;
  readonly header?: { readonly alg?: string; readonly kid?: string | undefined };
}

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>['privateKey'];

const issuerUrl = 'https://issuer.example';

export class FakeIssuer implements IssuerDocuments {
  readonly url = issuerUrl;
  /** What it publishes. */
  keys: JWK[] = [];
  /** Set: it does not answer. */
  fault: Error | undefined;
  /** Set: it answers once this is kept. */
  held: Promise<unknown> | undefined;
  reads = 0;
  readonly #privateKeys = new Map<string, PrivateKey>();
  readonly #wallMs: () => number;

  private constructor(wallMs: () => number) {
    this.#wallMs = wallMs;
  }

  /** With the key `k1`. */
  static async make(wallMs: () => number = Date.now): Promise<FakeIssuer> {
    const issuer = new FakeIssuer(wallMs);
    await issuer.addKey('k1');
    return issuer;
  }

  async addKey(kid: string, alg = 'ES256'): Promise<void> {
    this.keys.push(await this.secretKey(kid, alg));
  }

  /** Signs tokens, and is not published. */
  async secretKey(kid: string, alg = 'ES256'): Promise<JWK> {
    const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
    this.#privateKeys.set(kid, privateKey);
    return { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' };
  }

  async read(): Promise<Published> {
    this.reads++;
    await this.held;
    if (this.fault) throw this.fault;
    return { issuer: this.url, keys: { keys: this.keys } };
  }

  /** A good token, but for what the options say. */
  async token({ claims = {}, header = {} }: TokenOptions = {}): Promise<string> {
    const now = Math.floor(this.#wallMs() / 1000);
    const { alg = 'ES256' } = header;
    const kid = 'kid' in header ? header.kid : 'k1';
    const key = this.#privateKeys.get(kid ?? 'k1');
    if (!key) throw new Error(`there is no key ${kid}`);
    const payload: Claims = { iss: this.url, aud: 'resproxy', sub: 'someone', iat: now, exp: now + 600, ...claims };
    return new SignJWT(payload as JWTPayload).setProtectedHeader({ alg, ...(kid !== undefined && { kid }) }).sign(key);
  }
}

export function jwksIssuer(changes: Partial<JwksIssuer> = {}): JwksIssuer {
  return {
    name: 'corp',
    type: 'jwks',
    issuer: issuerUrl,
    audience: 'resproxy',
    algorithms: ['RS256', 'ES256'],
    leewaySeconds: 10,
    ...changes,
  };
}
