import { describe, expect, test } from '@jest/globals';
import { digestOf, digestPattern, digestsEqual, noDigest } from './digest.ts';

describe('digest', () => {
  test('is the SHA-256 that sha256sum prints, under its name', () => {
    expect(digestOf('abc')).toBe('sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    expect(digestOf('abc')).toMatch(digestPattern);
  });

  test('equals only itself, whatever the other one looks like', () => {
    const digest = digestOf('a secret');
    expect(digestsEqual(digest, digestOf('a secret'))).toBe(true);
    expect(digestsEqual(digest, digestOf('another'))).toBe(false);
    expect(digestsEqual(digest, digest.slice(0, -1))).toBe(false);
    expect(digestsEqual(digest, '')).toBe(false);
    expect(digestsEqual(digest, noDigest)).toBe(false);
  });
});
