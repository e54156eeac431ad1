import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { digestOf } from '../../kit/digest.ts';
import { appendKey } from './append-key.ts';
import { parseKeys } from './file-keys.ts';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'append-key-'));
  path = join(folder, 'new-folder', 'agent-keys.json');
});

afterEach(() => rmSync(folder, { recursive: true }));

const policy = (id: string) => ({ id, name: 'berlin', digest: digestOf(id), labels: { country: 'DE' } });
const read = () => readFileSync(path, 'utf8');

describe('appendKey', () => {
  test('makes the file, and its folder, for its owner only', async () => {
    await appendKey(path, policy('a'));
    expect(parseKeys(read(), path).keys.get('a')?.labels.get('country')).toBe('DE');
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(statSync(join(folder, 'new-folder')).mode & 0o777).toBe(0o700);
  });

  test('keeps what is there as it was written', async () => {
    await appendKey(path, policy('a'));
    const before = JSON.parse(read());
    await appendKey(path, policy('b'));
    expect(JSON.parse(read())).toEqual({ keys: [...before.keys, policy('b')] });
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test.each([
    ['an id that is taken', policy('a')],
    ['a policy with a fault', { ...policy('b'), name: 'no good' }],
  ])('refuses %s and leaves the file alone', async (_what, refused) => {
    await appendKey(path, policy('a'));
    const before = read();
    await expect(appendKey(path, refused)).rejects.toThrow(path);
    expect(read()).toBe(before);
    expect(existsSync(`${path}.new`)).toBe(false);
  });

  test('adds nothing to a file that has a fault', async () => {
    await appendKey(path, policy('a'));
    writeFileSync(path, '{"keys": [');
    await expect(appendKey(path, policy('b'))).rejects.toThrow('is not JSON');
    expect(read()).toBe('{"keys": [');
  });

  test('loses no key when two are added at the same moment', async () => {
    await appendKey(path, policy('a'));
    const results = await Promise.allSettled([appendKey(path, policy('b')), appendKey(path, policy('c'))]);
    const added = results.filter((result) => result.status === 'fulfilled').length;
    expect(added).toBeGreaterThan(0);
    expect(parseKeys(read(), path).keys.size).toBe(1 + added);
  });
});
