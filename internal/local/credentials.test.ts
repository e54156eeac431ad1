import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { devCredentials } from './credentials.ts';

let parent = '';
let dir = '';
beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'local-'));
  dir = join(parent, '.resproxy');
});
afterEach(() => rm(parent, { recursive: true }));

test('the first run makes a key and a token that only their owner can read', async () => {
  const made = await devCredentials(dir, randomBytes);
  expect(made.made).toBe(true);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
  for (const file of [made.agentKeyFile, made.tokenFile, made.keysFile, made.callersFile, made.callbackSecretsFile]) {
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  }
  expect(await readFile(made.tokenFile, 'utf8')).toBe(`${made.token}\n`);
});

test('a later run uses them again', async () => {
  const first = await devCredentials(dir, randomBytes);
  expect(await devCredentials(dir, randomBytes)).toEqual({ ...first, made: false });
});

test('a key whose digest is gone is replaced, and the token stays', async () => {
  const first = await devCredentials(dir, randomBytes);
  await rm(first.keysFile);
  const second = await devCredentials(dir, randomBytes);
  expect(second.agentKey).not.toBe(first.agentKey);
  expect(second.token).toBe(first.token);
});

test('a token that was deleted is replaced', async () => {
  const first = await devCredentials(dir, randomBytes);
  await rm(first.tokenFile);
  const second = await devCredentials(dir, randomBytes);
  expect(second.token).not.toBe(first.token);
});
