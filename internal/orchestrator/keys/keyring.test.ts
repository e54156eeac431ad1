import { beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../kit/digest.ts';
import { ManualClock } from '../../kit/manual-clock.ts';
import { formatKey } from './key-format.ts';
import type { KeySource } from './key-source.ts';
import { Keyring } from './keyring.ts';
import { type KeyPolicy, policySchema } from './policy.ts';

class ListedKeys implements KeySource {
  keys: ReadonlyMap<string, KeyPolicy> = new Map();
  #listener: (() => void) | undefined;

  async start(): Promise<void> {}
  stop(): void {}
  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  replace(...policies: KeyPolicy[]): void {
    this.keys = new Map(policies.map((policy) => [policy.id, policy]));
    this.#listener?.();
  }
}

const key = formatKey('k1', new Uint8Array(32).fill(1)).text;
const otherSecret = formatKey('k1', new Uint8Array(32).fill(2)).text;
const unknownId = formatKey('k9', new Uint8Array(32).fill(1)).text;

function policy(extra: object = {}): KeyPolicy {
  return policySchema.parse({ id: 'k1', name: 'berlin', digest: digestOf(key), ...extra });
}

let clock: ManualClock;
let source: ListedKeys;
let keyring: Keyring;
let heard: string[];

beforeEach(async () => {
  clock = new ManualClock();
  source = new ListedKeys();
  keyring = new Keyring({ source, clock });
  heard = [];
  keyring.listen({
    onRevoked: (keyId, why) => heard.push(`${keyId} ${why}`),
    onChanged: (changed) => heard.push(`${changed.id} allows ${changed.maxAgents}`),
  });
  await keyring.start();
});

const inMs = (ms: number) => new Date(clock.wallMs() + ms).toISOString();

describe('Keyring', () => {
  test('lets the right key in, with its policy', () => {
    const known = policy();
    source.replace(known);
    expect(keyring.authenticate(key)).toEqual({ ok: true, policy: known });
  });

  test.each([
    ['a wrong secret', otherSecret],
    ['an unknown id', unknownId],
    ['no key at all', ''],
    ['the digest itself', digestOf(key)],
    ['something long', `${key}${'x'.repeat(10_000)}`],
  ])('answers %s with the same words', (_what, presented) => {
    source.replace(policy());
    expect(keyring.authenticate(presented)).toEqual({ ok: false, why: 'unknown' });
  });

  test('tells whoever holds the whole key, and nobody else, that it is suspended', () => {
    source.replace(policy({ suspended: true }));
    expect(keyring.authenticate(key)).toEqual({ ok: false, why: 'suspended' });
    expect(keyring.authenticate(otherSecret)).toEqual({ ok: false, why: 'unknown' });
  });

  test('refuses a key from the moment it expires', async () => {
    source.replace(policy({ notAfter: inMs(1000) }));
    await clock.advance(999);
    expect(keyring.authenticate(key).ok).toBe(true);
    await clock.advance(1);
    expect(keyring.authenticate(key)).toEqual({ ok: false, why: 'expired' });
  });

  test.each([
    ['removed', () => []],
    ['suspended', () => [policy({ suspended: true })]],
    ['expired', () => [policy({ notAfter: '2001-01-01T00:00:00Z' })]],
    ['replaced', () => [policy({ digest: digestOf(otherSecret) })]],
  ])('tells that a key was %s', (why, rest) => {
    source.replace(policy());
    source.replace(...rest());
    expect(heard).toEqual([`k1 ${why}`]);
    source.replace(...rest());
    expect(heard).toHaveLength(1);
  });

  test('tells that a key expired when its time comes, however far away it was', async () => {
    source.replace(policy({ notAfter: inMs(200_000) }));
    await clock.advance(199_999);
    expect(heard).toEqual([]);
    await clock.advance(1);
    expect(heard).toEqual(['k1 expired']);
    expect(clock.pending).toBe(0);
  });

  test('tells a change of policy, and is silent when nothing changed', () => {
    source.replace(policy({ maxAgents: 1, tenants: ['a'] }));
    source.replace(policy({ maxAgents: 1, tenants: ['a'] }));
    expect(heard).toEqual([]);
    source.replace(policy({ maxAgents: 2, tenants: ['a'] }));
    expect(heard).toEqual(['k1 allows 2']);
  });

  test('does not call a key revoked that was never valid', () => {
    source.replace(policy({ suspended: true }));
    source.replace();
    expect(heard).toEqual([]);
  });

  test('leaves no timer behind when stopped', () => {
    source.replace(policy({ notAfter: inMs(1000) }));
    expect(clock.pending).toBe(1);
    keyring.stop();
    expect(clock.pending).toBe(0);
  });
});
