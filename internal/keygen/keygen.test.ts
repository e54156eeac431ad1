import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { digestOf } from '../kit/digest.ts';
import { parseKey } from '../orchestrator/keys/key-format.ts';
import { makeAgentKey } from './agent-key.ts';
import { makeCallerToken } from './caller-token.ts';

let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'keygen-'));
});
afterEach(() => rm(dir, { recursive: true }));

test('the keys file holds the digest of the key and never the key', async () => {
  const path = join(dir, 'new', 'keys.json');
  const key = await makeAgentKey(path, { name: 'berlin-1', labels: { country: 'DE' } }, randomBytes);
  const text = await readFile(path, 'utf8');
  expect(text).not.toContain(key);
  expect(JSON.parse(text).keys).toEqual([
    { id: parseKey(key)?.keyId, name: 'berlin-1', labels: { country: 'DE' }, digest: digestOf(key) },
  ]);
});

test('a second key joins the first', async () => {
  const path = join(dir, 'keys.json');
  await makeAgentKey(path, { name: 'one' }, randomBytes);
  await makeAgentKey(path, { name: 'two' }, randomBytes);
  const { keys } = JSON.parse(await readFile(path, 'utf8'));
  expect(keys.map(({ name }: { name: string }) => name)).toEqual(['one', 'two']);
});

test('a policy with a fault is refused by the name of its field, and no file appears', async () => {
  const path = join(dir, 'keys.json');
  await expect(makeAgentKey(path, { name: 'x', labels: { country: 'germany' } }, randomBytes)).rejects.toThrow(
    /^labels.country must be two capital letters/,
  );
  await expect(stat(path)).rejects.toThrow('ENOENT');
});

test('only the owner may read a callers file, which holds the digest of the token', async () => {
  const path = join(dir, 'callers.json');
  const token = await makeCallerToken(path, { name: 'shop', tenant: 'acme', scopes: ['jobs:run'] }, randomBytes);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
    callers: [{ name: 'shop', tenant: 'acme', scopes: ['jobs:run'], digest: digestOf(token) }],
  });
});

test('a caller joins those of the file, whose other parts stay', async () => {
  const path = join(dir, 'callers.json');
  await writeFile(path, '{"callers": [{"name": "old", "limits": {}}], "providers": []}');
  await makeCallerToken(path, { name: 'new', tenant: 'acme', scopes: ['jobs:run'] }, randomBytes);
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({
    callers: [{ name: 'old', limits: {} }, expect.objectContaining({ name: 'new' })],
    providers: [],
  });
});

test.each([
  ['a name that is taken', { name: 'old', tenant: 'acme', scopes: ['jobs:run' as const] }, 'has a caller old'],
  ['a scope that does not exist', { name: 'x', tenant: 'acme', scopes: ['all' as 'jobs:run'] }, 'scopes must be of'],
  ['a tenant that is no name', { name: 'x', tenant: 'a b', scopes: ['jobs:run' as const] }, 'tenant must be'],
])('%s is refused and the file stays as it was', async (_case, caller, message) => {
  const path = join(dir, 'callers.json');
  await writeFile(path, '{"callers": [{"name": "old"}]}');
  await expect(makeCallerToken(path, caller, randomBytes)).rejects.toThrow(message);
  expect(await readFile(path, 'utf8')).toBe('{"callers": [{"name": "old"}]}');
  await expect(stat(`${path}.new`)).rejects.toThrow('ENOENT');
});

test('a file that is no callers file is not quoted in the error', async () => {
  const path = join(dir, 'callers.json');
  await writeFile(path, 'secret');
  const caller = { name: 'x', tenant: 'acme', scopes: ['jobs:run' as const] };
  await expect(makeCallerToken(path, caller, randomBytes)).rejects.toThrow(`${path}: is not a callers file`);
});
