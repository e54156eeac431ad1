// Settings from a file in the working folder.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { withDotEnv } from './dot-env.ts';

const folder = mkdtempSync(join(tmpdir(), 'dot-env-'));
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string, env: NodeJS.ProcessEnv = {}) {
  const path = join(folder, '.env');
  writeFileSync(path, text);
  const merged = withDotEnv(env, path);
  return { env: merged.env, faults: merged.faults.map((fault) => fault.replace(path, '.env')) };
}

describe('withDotEnv', () => {
  test('reads names, quotes, comments and values of several lines, from every system', () => {
    const text = '\uFEFF# mine\r\nA=1\r\nexport B = two # no\r\n\r\nC="x\r\ny"\r\nD=\'#\'\r\nE=\r\n';
    expect(read(text)).toEqual({ env: { A: '1', B: 'two', C: 'x\ny', D: '#', E: '' }, faults: [] });
  });

  test('leaves the real environment above it', () => {
    expect(read('A=file\nB=file', { A: 'real' }).env).toEqual({ A: 'real', B: 'file' });
  });

  test('is nothing when there is no file', () => {
    expect(withDotEnv({ A: '1' }, join(folder, 'none'))).toEqual({ env: { A: '1' }, faults: [] });
  });

  test('names each line that is no setting, and shows none', () => {
    const { faults } = read('A=1\nAGENT_KEY the-secret-key\n=2\n1A=3\nB="the-secret-key\nC=4\n');
    expect(faults).toEqual([
      '.env, line 2: must be NAME=VALUE',
      '.env, line 3: must be NAME=VALUE',
      '.env, line 4: must be NAME=VALUE',
      '.env, line 5: its quotation mark is never closed',
    ]);
  });

  test('says when the file cannot be read', () => {
    expect(withDotEnv({}, folder).faults).toEqual([`${folder}: cannot be read (EISDIR)`]);
  });
});
