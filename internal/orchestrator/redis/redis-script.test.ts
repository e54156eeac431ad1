import { expect, test } from '@jest/globals';
import { defineScript } from './redis-script.ts';

test('the number of keys is read from the header', () => {
  const lua = '-- KEYS[1] a\n-- KEYS[2] b\n-- ARGV[1] how much\n-- returns both\nreturn KEYS[3]';
  expect(defineScript('both', lua)).toMatchObject({ name: 'both', keys: 2, lua });
});

test('a script may take any number of keys', () => {
  expect(defineScript('all', '-- KEYS[...] some\n-- returns none\nreturn 0').keys).toBeUndefined();
});

test('the digest is what Redis computes', () => {
  const { sha } = defineScript('one', '-- returns 1\nreturn 1');
  expect(sha).toBe('ae1b7b9a9e20bdcda38275780b14ceac301e39ae');
});

test.each([
  ['no header', 'return 1'],
  ['nothing returned', '-- KEYS[1] a\nreturn 1'],
  ['keys out of order', '-- KEYS[2] b\n-- KEYS[1] a\n-- returns 1\nreturn 1'],
])('a script with %s is refused', (_, lua) => {
  expect(() => defineScript('bad', lua)).toThrow(/the script bad/);
});

test('a line of flags goes before the header', () => {
  const lua = '#!lua flags=allow-oom\n-- KEYS[1] a\n-- returns it\nreturn KEYS[1]';
  expect(defineScript('flagged', lua)).toMatchObject({ keys: 1, lua });
});
