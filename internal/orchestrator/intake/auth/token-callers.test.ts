import { beforeEach, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../../kit/manual-clock.ts';
import type { Verdict } from '../../issuers/issuers.ts';
import { parseCallers } from './callers-file.ts';
import { TokenCallers } from './token-callers.ts';

const minuteMs = 60_000;
let clock: ManualClock;
let verdict: Verdict | Promise<Verdict>;
let asked: string[];
let looked: string[];
let tokens: TokenCallers;

const providers = (maxInFlight: number) => {
  const granted = { subject: 'robot', tenant: 'ads', scopes: ['jobs:run'], limits: { maxInFlight } };
  const provider = { name: 'corp', type: 'jwks', issuer: 'https://issuer.example', grants: [granted] };
  return parseCallers(JSON.stringify({ providers: [provider] }), 'callers.json').providers;
};

function good(subject: string, forMs = 60 * minuteMs): Verdict {
  return { kind: 'good', provider: 'corp', subject, claims: {}, goodUntilMs: clock.wallMs() + forMs };
}

beforeEach(() => {
  clock = new ManualClock();
  asked = [];
  verdict = good('robot');
  const verify = async (token: string) => {
    asked.push(token);
    return verdict;
  };
  looked = [];
  const observer = {
    looked: (provider: string, result: string) => looked.push(`${provider} ${result}`),
    ungranted: (provider: string, subject: string) => looked.push(`${provider}: ${subject}`),
  };
  tokens = new TokenCallers({ verify, clock, observer });
  tokens.replace(providers(5));
});

/** As the authenticator goes about it. */
async function knock(token: string) {
  return tokens.known(token) ?? (await tokens.ask(token, token, 'rest'));
}

test('a caller is named by provider and subject, and its token is looked at once in five minutes', async () => {
  const caller = await knock('t');
  expect(caller).toMatchObject({ name: 'corp/robot', tenant: 'ads', scopes: new Set(['jobs:run']) });
  expect(tokens.known('t')).toBe(caller);
  await clock.advance(5 * minuteMs);
  expect(tokens.known('t')).toBeUndefined();
  await knock('t');
  expect(asked).toEqual(['t', 't']);
  expect(looked).toEqual(['corp good', 'corp good']);
});

test('a token that expires sooner is looked at again then', async () => {
  verdict = good('robot', 2 * minuteMs);
  expect((await knock('t')).goodUntilMs).toBe(clock.wallMs() + 2 * minuteMs);
  await clock.advance(2 * minuteMs - 1);
  expect(tokens.known('t')).toBeDefined();
  await clock.advance(1);
  expect(tokens.known('t')).toBeUndefined();
});

test('a caller with a new token is the same caller, with what it has used of its limits', async () => {
  const { load } = await knock('first');
  expect((await knock('second')).load).toBe(load);
  tokens.replace(providers(9));
  const after = await knock('second');
  expect(after.load).toBe(load);
  expect(after.limits.maxInFlight).toBe(9);
});

test('a token that comes many times at once is looked at once', async () => {
  const callers = await Promise.all(Array.from({ length: 20 }, () => knock('t')));
  expect(new Set(callers).size).toBe(1);
  expect(asked).toEqual(['t']);
});

test('a refusal is remembered for a moment, what may pass is not', async () => {
  verdict = { kind: 'refused', provider: 'corp', why: 'expired', detail: 'It expired.' };
  await expect(knock('t')).rejects.toMatchObject({ code: 'UNAUTHENTICATED', tokenError: 'invalid_token' });
  await expect(knock('t')).rejects.toMatchObject({ message: 'It expired.' });
  expect(asked).toHaveLength(1);
  await clock.advance(10_000);
  verdict = { kind: 'refused', provider: 'corp', why: 'unknown_key', detail: '' };
  for (const _ of [1, 2]) await expect(knock('t')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  verdict = { kind: 'unavailable', provider: 'corp', detail: 'Away.' };
  for (const _ of [1, 2]) await expect(knock('t')).rejects.toMatchObject({ code: 'ISSUER_UNAVAILABLE' });
  expect(asked).toHaveLength(5);
});

test('a good token that no grant fits gets nothing, until the file has one', async () => {
  verdict = good('stranger');
  const told = { code: 'SCOPE_DENIED', tokenError: 'insufficient_scope' };
  await expect(knock('t')).rejects.toMatchObject(told);
  await expect(knock('t')).rejects.toMatchObject({ message: expect.stringContaining('"stranger"') });
  expect(asked).toHaveLength(1);
  expect(looked).toEqual(['corp ungranted', 'corp: stranger']);
  tokens.replace([]);
  await expect(knock('t')).rejects.toMatchObject({
    code: 'SCOPE_DENIED',
    message: expect.stringContaining('any more'),
  });
});

test('a file that changes while a token is looked at changes what becomes of it', async () => {
  const answer = Promise.withResolvers<Verdict>();
  verdict = answer.promise;
  const before = knock('t');
  await settle();
  tokens.replace([]);
  answer.resolve(good('robot'));
  await expect(before).rejects.toMatchObject({ code: 'SCOPE_DENIED' });
  tokens.replace(providers(5));
  verdict = good('robot');
  expect((await knock('t')).name).toBe('corp/robot');
  expect(asked).toHaveLength(2);
});

test('a crowd of new tokens at one door is turned away there, and forgets nobody', async () => {
  await knock('known');
  const answer = Promise.withResolvers<Verdict>();
  verdict = answer.promise;
  const crowd = Array.from({ length: 1_000 }, (_, i) => knock(`t${i}`));
  await expect(knock('one more')).rejects.toMatchObject({ code: 'OVERLOADED' });
  const elsewhere = tokens.ask('one more', 'one more', 'grpc');
  expect(tokens.known('known')).toBeDefined();
  answer.resolve({ kind: 'refused', provider: 'corp', why: 'signature', detail: '' });
  for (const one of crowd) await expect(one).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  await expect(elsewhere).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  expect(tokens.known('known')).toBeDefined();
});
