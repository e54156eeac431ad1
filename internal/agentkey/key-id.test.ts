import { hash } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { countOf, issuedBy, keyIdOf } from './key-id.ts';

const uid = '6d0f3a5e-6a5c-4f0a-9c3c-0d6f8c1d2e3f';

test('an id is base62 of the first 8 bytes of the uid digest, and a count', () => {
  const id = keyIdOf(uid, 12);
  expect(id).toMatch(/^[0-9A-Za-z]{11}-12$/);
  const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
  const number = id
    .slice(0, 11)
    .split('')
    .reduce((sum, char) => sum * 62n + BigInt(alphabet.indexOf(char)), 0n);
  expect(number).toBe(BigInt(`0x${hash('sha256', uid).slice(0, 16)}`));
  expect(countOf(id)).toBe(12);
});

test('an object issued its own ids and nobody else has', () => {
  expect(issuedBy(uid, keyIdOf(uid, 1))).toBe(true);
  expect(issuedBy(`${uid}x`, keyIdOf(uid, 1))).toBe(false);
});

test.each(['', '1', 'abc-1', `${keyIdOf(uid, 1)}-1`, `${keyIdOf(uid, 1)} `, keyIdOf(uid, 0)])(
  '%p is no such id',
  (id) => {
    expect(issuedBy(uid, id)).toBe(false);
    expect(countOf(id)).toBe(0);
  },
);
