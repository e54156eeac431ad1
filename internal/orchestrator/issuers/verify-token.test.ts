import { beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createLocalJWKSet, type JWK, SignJWT, UnsecuredJWT } from 'jose';
import { type Claims, FakeIssuer, jwksIssuer } from './issuer-fixture.ts';
import { type Refusal, verifyToken } from './verify-token.ts';

const wallMs = 1_700_000_000_500;
const now = 1_700_000_000;
let issuer: FakeIssuer;

beforeAll(async () => {
  issuer = await FakeIssuer.make(() => wallMs);
});

function verify(token: string, { keys = issuer.keys, config = jwksIssuer() } = {}) {
  return verifyToken(token, { issuer: issuer.url, find: createLocalJWKSet({ keys }) }, config, wallMs);
}

async function whyNot(token: string, options?: Parameters<typeof verify>[1]): Promise<Refusal | 'good'> {
  const check = await verify(token, options);
  return check.kind === 'good' ? 'good' : check.why;
}

test('a token of the issuer for this audience is good, until it expires and a little longer', async () => {
  expect(await verify(await issuer.token({ claims: { team: 'ads' } }))).toMatchObject({
    kind: 'good',
    subject: 'someone',
    claims: { team: 'ads' },
    goodUntilMs: (now + 610) * 1000,
  });
  expect(await whyNot(await issuer.token({ claims: { aud: ['other', 'resproxy'] } }))).toBe('good');
});

test.each<[string, Refusal | 'good', Claims]>([
  ['of another audience', 'audience', { aud: 'another' }],
  ['of no audience', 'audience', { aud: undefined }],
  ['of another issuer', 'issuer', { iss: 'https://issuer.example/' }],
  ['that expired', 'expired', { exp: now - 11 }],
  ['that expired a moment ago, by another clock', 'good', { exp: now - 5 }],
  ['that never expires', 'claims', { exp: undefined }],
  ['that is to be valid later', 'not_yet_valid', { nbf: now + 12 }],
  ['that is valid in a moment, by another clock', 'good', { nbf: now + 5 }],
  ['that was issued in the future', 'not_yet_valid', { iat: now + 12 }],
  ['without a subject', 'claims', { sub: undefined }],
  ['of a subject that is empty', 'claims', { sub: '' }],
  ['of a subject that no log should see', 'claims', { sub: 'a\nb' }],
  ['of a subject that is too long', 'claims', { sub: 'x'.repeat(256) }],
])('a token %s is %s', async (_name, why, claims) => {
  expect(await whyNot(await issuer.token({ claims }))).toBe(why);
});

test('a token that lives for too long is refused where that is bounded, and one that does not say', async () => {
  const config = jwksIssuer({ maxLifetimeSeconds: 300 });
  expect(await whyNot(await issuer.token(), { config })).toBe('lifetime');
  expect(await whyNot(await issuer.token({ claims: { iat: undefined } }), { config })).toBe('lifetime');
  expect(await whyNot(await issuer.token({ claims: { exp: now + 300 } }), { config })).toBe('good');
});

test('nobody makes a token without the private key', async () => {
  const payload = { iss: issuer.url, aud: 'resproxy', sub: 'someone', exp: now + 600 };
  const [published] = issuer.keys;
  const publicBytes = new TextEncoder().encode(JSON.stringify(published));
  const byPublicKey = await new SignJWT(payload).setProtectedHeader({ alg: 'HS256', kid: 'k1' }).sign(publicBytes);
  expect(await whyNot(byPublicKey)).toBe('algorithm');
  expect(await whyNot(new UnsecuredJWT(payload).encode())).toBe('algorithm');

  const stranger = await FakeIssuer.make(() => wallMs);
  expect(await whyNot(await stranger.token())).toBe('signature');

  const [head = '', , signature = ''] = (await issuer.token()).split('.');
  const changed = Buffer.from(JSON.stringify({ ...payload, sub: 'admin' })).toString('base64url');
  expect(await whyNot(`${head}.${changed}.${signature}`)).toBe('signature');
  expect(await whyNot(`${head}.${changed}`)).toBe('malformed');
});

test('a key that is not published, or of an algorithm that is not allowed, signs nothing', async () => {
  await issuer.secretKey('k9');
  expect(await whyNot(await issuer.token({ header: { kid: 'k9' } }))).toBe('unknown_key');
  const config = jwksIssuer({ algorithms: ['RS256'] });
  expect(await whyNot(await issuer.token(), { config })).toBe('algorithm');
});

test('a token that does not name its key is tried with those that fit', async () => {
  const other = await FakeIssuer.make(() => wallMs);
  const [own] = issuer.keys;
  const keys: JWK[] = [...other.keys.map((key) => ({ ...key, kid: 'other' })), ...(own ? [own] : [])];
  const token = await issuer.token({ header: { kid: undefined } });
  expect(await whyNot(token, { keys })).toBe('good');
  expect(await whyNot(token, { keys: keys.slice(0, 1) })).toBe('signature');
});

test('what the caller is told names what is expected, and nothing of the token but its times', async () => {
  const said = async (claims: Claims) => {
    const check = await verify(await issuer.token({ claims }));
    return check.kind === 'refused' ? check.detail : '';
  };
  expect(await said({ aud: 'secret-other' })).toBe('The token\'s audience has to be "resproxy".');
  expect(await said({ exp: now - 100 })).toBe('The token expired at 2023-11-14T22:11:40.000Z.');
  expect(await said({ exp: -1e300 })).toBe('The token expired at a time that is none.');
  expect(await said({ iss: 'https://secret.example' })).not.toContain('secret');
});

test('a key of the issuer that cannot be used is as none', async () => {
  const keys = [{ kty: 'EC', crv: 'P-256', x: 'AAAA', y: 'AAAA', kid: 'k1', alg: 'ES256' }];
  expect(await whyNot(await issuer.token(), { keys })).toBe('unknown_key');
});

test('no character of a token can be another without its being refused, and none makes the check fail', async () => {
  const token = await issuer.token({ claims: { scope: 'jobs:read' } });
  const signed = token.slice(0, token.lastIndexOf('.'));
  await fc.assert(
    fc.asyncProperty(fc.nat(token.length - 1), fc.string({ maxLength: 3 }), async (at, text) => {
      const changed = token.slice(0, at) + text + token.slice(at + 1);
      // The last character of a signature has bits that mean nothing.
      if ((await whyNot(changed)) === 'good') expect(changed.slice(0, changed.lastIndexOf('.'))).toBe(signed);
    }),
    { numRuns: 300 },
  );
});
