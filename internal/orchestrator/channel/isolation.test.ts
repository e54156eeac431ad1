import { expect, test } from '@jest/globals';
import { IsolationKeys } from './isolation.ts';

const secret = (byte: number) => new Uint8Array(32).fill(byte);

test('a tenant keeps its key for as long as the connection lasts', () => {
  const keys = new IsolationKeys(secret(1));
  const key = keys.of('acme');
  expect(key).toHaveLength(32);
  for (let tenant = 0; tenant < 200; tenant++) keys.of(`tenant-${tenant}`);
  expect(keys.of('acme')).toEqual(key);
});

test('two tenants, and two connections, never share a key', () => {
  const keys = new IsolationKeys(secret(1));
  expect(keys.of('a')).not.toEqual(keys.of('b'));
  expect(keys.of('a')).not.toEqual(new IsolationKeys(secret(2)).of('a'));
});
