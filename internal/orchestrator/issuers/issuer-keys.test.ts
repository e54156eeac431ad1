import { beforeEach, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { FakeIssuer } from './issuer-fixture.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { issuerLimits } from './issuer-limits.ts';

const { cooldownMs, refreshMs, keepMs, maxRetryMs, maxWaitingForKeys } = issuerLimits;
let clock: ManualClock;
let issuer: FakeIssuer;
let keys: IssuerKeys;
let changes: number;
let outcomes: string[];

beforeEach(async () => {
  clock = new ManualClock();
  issuer = await FakeIssuer.make();
  changes = 0;
  outcomes = [];
  keys = new IssuerKeys({
    name: 'corp',
    documents: issuer,
    clock,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
    onFetch: (outcome) => outcomes.push(outcome),
    onChange: () => changes++,
  });
});

test('keys are read in the background, and again every few minutes', async () => {
  keys.start();
  expect(keys.held).toBeUndefined();
  expect(keys.ageMs).toBe(Number.POSITIVE_INFINITY);
  await settle();
  expect(keys.held?.issuer).toBe(issuer.url);
  await clock.advance(3 * refreshMs);
  expect(issuer.reads).toBe(4);
  expect(changes).toBe(0);
});

test('keys that changed are told of, and those that were withdrawn are gone', async () => {
  keys.start();
  await settle();
  issuer.keys = [];
  await issuer.addKey('k2');
  await clock.advance(refreshMs);
  expect(changes).toBe(1);
  expect(keys.held?.find.jwks().keys.map(({ kid }) => kid)).toEqual(['k2']);
});

test('an issuer that is away is asked ever less often, its keys stay for a day, and it is found again', async () => {
  keys.start();
  await settle();
  issuer.fault = new Error('away');
  await clock.advance(keepMs);
  expect(keys.isAway).toBe(true);
  expect(keys.held).toBeDefined();
  // The first half of the tries is over within minutes.
  expect(issuer.reads).toBeLessThan((2 * keepMs) / maxRetryMs + 20);
  await clock.advance(1);
  expect(keys.held).toBeUndefined();
  issuer.fault = undefined;
  await clock.advance(maxRetryMs);
  expect(keys.held).toBeDefined();
  expect(keys.isAway).toBe(false);
  expect(outcomes.at(0)).toBe('ok');
  expect(outcomes.at(-1)).toBe('ok');
});

test('what is no set of keys changes nothing', async () => {
  keys.start();
  await settle();
  issuer.keys = 'nonsense' as never;
  await clock.advance(refreshMs);
  expect(keys.isAway).toBe(true);
  expect(keys.held?.find.jwks().keys).toHaveLength(1);
});

test('a storm of unknown keys asks once in a cooldown, whether the issuer answers or not', async () => {
  keys.start();
  await settle();
  const storm = () => Promise.all(Array.from({ length: 50 }, () => keys.askAgain()));
  expect(new Set(await storm())).toEqual(new Set([false]));
  expect(issuer.reads).toBe(1);
  await clock.advance(cooldownMs);
  expect(new Set(await storm())).toEqual(new Set([true]));
  expect(issuer.reads).toBe(2);
  await clock.advance(cooldownMs);
  issuer.fault = new Error('away');
  await storm();
  await storm();
  expect(issuer.reads).toBe(3);
});

test('only so many wait for an issuer that takes its time', async () => {
  const answer = Promise.withResolvers<void>();
  issuer.held = answer.promise;
  keys.start();
  const waiting = Array.from({ length: maxWaitingForKeys + 5 }, () => keys.settled());
  answer.resolve();
  expect((await Promise.all(waiting)).filter((waited) => !waited)).toHaveLength(5);
});

test('nothing is left once it is stopped, and what comes after that is dropped', async () => {
  const answer = Promise.withResolvers<void>();
  issuer.held = answer.promise;
  keys.start();
  keys.stop();
  answer.resolve();
  await settle();
  expect(keys.held).toBeUndefined();
  expect(clock.pending).toBe(0);
});
