import { beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import type { IssuerConfig, KubernetesIssuer } from './issuer-config.ts';
import { FakeIssuer, jwksIssuer } from './issuer-fixture.ts';
import { issuerLimits } from './issuer-limits.ts';
import { Issuers } from './issuers.ts';

const cluster: KubernetesIssuer = {
  name: 'cluster',
  type: 'kubernetes',
  audience: 'resproxy',
  algorithms: ['ES256'],
  leewaySeconds: 10,
};
let clock: ManualClock;
let issuer: FakeIssuer;
let issuers: Issuers;
let fetched: string[];
let opened: string[];

beforeEach(async () => {
  clock = new ManualClock();
  issuer = await FakeIssuer.make(() => clock.wallMs());
  fetched = [];
  opened = [];
  issuers = new Issuers({
    documentsOf: ({ name }: IssuerConfig) => {
      opened.push(name);
      return issuer;
    },
    clock,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
    onFetch: (provider, outcome) => fetched.push(`${provider} ${outcome}`),
    onKeysChanged: () => {},
  });
});

test('a token is checked by the issuer that it names', async () => {
  issuers.replace([jwksIssuer()]);
  const stranger = await issuer.token({ claims: { iss: 'https://stranger.example' } });
  expect(await issuers.verify(await issuer.token(), 'rest')).toMatchObject({ kind: 'good', provider: 'corp' });
  expect(await issuers.verify(stranger, 'rest')).toMatchObject({ kind: 'refused', provider: '', why: 'issuer' });
  expect(await issuers.verify('eyJ.eyJ.x', 'rest')).toMatchObject({ kind: 'refused', why: 'malformed' });
  expect(fetched).toEqual(['corp ok']);
});

test('the first token waits for the keys; without keys nobody is told that the token is bad', async () => {
  issuer.fault = new Error('away');
  issuers.replace([jwksIssuer()]);
  const token = await issuer.token();
  expect(await issuers.verify(token, 'rest')).toMatchObject({
    kind: 'unavailable',
    detail: expect.stringContaining('"corp"'),
  });
  issuer.fault = undefined;
  await clock.advance(issuerLimits.maxRetryMs);
  expect(await issuers.verify(token, 'rest')).toMatchObject({ kind: 'good' });
});

test('a new key of the issuer is found by the first token of it', async () => {
  issuers.replace([jwksIssuer()]);
  await settle();
  await issuer.addKey('k2');
  await clock.advance(issuerLimits.cooldownMs);
  expect(await issuers.verify(await issuer.token({ header: { kid: 'k2' } }), 'grpc')).toMatchObject({ kind: 'good' });
  expect(issuer.reads).toBe(2);
});

test('a token of an unknown key is refused while the issuer answers, and unavailable while it does not', async () => {
  issuers.replace([jwksIssuer()]);
  await settle();
  await issuer.secretKey('k9');
  const token = await issuer.token({ header: { kid: 'k9' } });
  expect(await issuers.verify(token, 'grpc')).toMatchObject({ kind: 'refused', why: 'unknown_key' });
  issuer.fault = new Error('away');
  await clock.advance(issuerLimits.cooldownMs);
  expect(await issuers.verify(token, 'grpc')).toMatchObject({ kind: 'unavailable' });
  expect(await issuers.verify(await issuer.token(), 'grpc')).toMatchObject({ kind: 'good' });
});

test('an issuer whose name is to be discovered may be that of any token until then', async () => {
  issuer.fault = new Error('away');
  issuers.replace([cluster]);
  expect(await issuers.verify(await issuer.token(), 'rest')).toMatchObject({ kind: 'unavailable' });
  issuer.fault = undefined;
  await clock.advance(issuerLimits.maxRetryMs);
  expect(await issuers.verify(await issuer.token(), 'rest')).toMatchObject({ kind: 'good', provider: 'cluster' });
  const stranger = await issuer.token({ claims: { iss: 'https://stranger.example' } });
  expect(await issuers.verify(stranger, 'rest')).toMatchObject({ kind: 'refused', why: 'issuer' });
});

test('an issuer keeps its keys whatever is asked of its tokens; one that goes is asked for nothing more', async () => {
  issuers.replace([jwksIssuer(), cluster]);
  await settle();
  issuer.fault = new Error('away');
  issuers.replace([jwksIssuer({ audience: 'other' })]);
  expect(opened).toEqual(['corp', 'cluster']);
  expect([...issuers.ages()]).toEqual([['corp', 0]]);
  expect(await issuers.verify(await issuer.token(), 'rest')).toMatchObject({ kind: 'refused', why: 'audience' });
  issuers.replace([jwksIssuer({ jwksUri: 'https://issuer.example/elsewhere' })]);
  expect(opened).toEqual(['corp', 'cluster', 'corp']);
  await settle();
  issuers.stop();
  expect(clock.pending).toBe(0);
  expect(await issuers.verify(await issuer.token(), 'rest')).toMatchObject({ kind: 'refused', why: 'issuer' });
});
