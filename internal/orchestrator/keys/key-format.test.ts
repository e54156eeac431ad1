import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatKey, generateKey, keyIdPattern, maxKeyLength, parseKey } from './key-format.ts';

const secret = fc.uint8Array({ minLength: 32, maxLength: 32 });
const keyId = fc.stringMatching(/^[A-Za-z0-9.-]{1,64}$/);

describe('agent key', () => {
  test('is written rpk, id, 43 characters of secret, checksum', () => {
    const bytes = (size: number) => new Uint8Array(size).fill(0xff);
    const key = generateKey(bytes);
    expect(key.text).toMatch(/^rpk_[0-9A-Za-z]{11}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$/);
    expect(key.keyId).toMatch(keyIdPattern);
    expect(parseKey(key.text)).toEqual(key);
  });

  test('reads back whatever was written', () => {
    fc.assert(
      fc.property(keyId, secret, (id, bytes) => {
        const key = formatKey(id, bytes);
        expect(parseKey(key.text)).toEqual(key);
        expect(key.text.length).toBeLessThanOrEqual(maxKeyLength);
      }),
    );
  });

  test('differs when the secret differs', () => {
    fc.assert(
      fc.property(secret, secret, (a, b) => {
        fc.pre(Buffer.compare(a, b) !== 0);
        expect(formatKey('id', a).text).not.toBe(formatKey('id', b).text);
      }),
    );
  });

  test('tells a typing error by its checksum', () => {
    const { text } = formatKey('berlin-1', new Uint8Array(32).fill(7));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.constantFrom('0', 'z', '_', ' '), (at, char) => {
        fc.pre(text[at] !== char);
        expect(parseKey(text.slice(0, at) + char + text.slice(at + 1))).toBeUndefined();
      }),
    );
  });

  test.each(['', 'rpk_', 'rpk_id', 'Bearer', 'x'.repeat(100_000), 'rpk__a_b'])('refuses %.20p', (text) => {
    expect(parseKey(text)).toBeUndefined();
  });

  test('is not made of a bad id or too few random bits', () => {
    expect(() => formatKey('a_b', new Uint8Array(32))).toThrow('a key id has');
    expect(() => formatKey('ab', new Uint8Array(16))).toThrow('a secret has 32 bytes');
  });
});
