// The licences at the end of a bundle, from a project of three packages.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { licencesComment } from './licences.ts';

const root = mkdtempSync(join(tmpdir(), 'licences-'));
afterAll(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

function pack(folder: string, name: string, license: string): void {
  write(join(folder, 'package.json'), JSON.stringify({ name, version: '1.2.3', license }));
}

pack('.', 'mine', 'Apache-2.0');
write('LICENSE', 'my terms\n');
pack('node_modules/b', 'b', 'MIT');
write('node_modules/b/license.md', 'terms of b, even */ this\n');
write('node_modules/b/lib/x.js', 'x;');
pack('node_modules/b/node_modules/@s/a', '@s/a', 'BSD-3-Clause');
write('node_modules/b/node_modules/@s/a/y.js', '// Copyright S\n// terms of a\nconst y = 1;\n');
pack('node_modules/bare', 'bare', 'MIT');
write('node_modules/bare/z.js', 'const z = 1;\n');

describe('licencesComment', () => {
  test('names the project and each package once, with its terms from its file or the head of its sources', () => {
    const inputs = ['cmd/main.ts', 'node_modules/b/lib/x.js', 'node_modules/b/node_modules/@s/a/y.js'];
    const [, ...sections] = licencesComment(root, inputs).split('==== ');
    expect(sections).toEqual([
      'mine 1.2.3, Apache-2.0\n\nmy terms\n\n',
      'b 1.2.3, MIT\n\nterms of b, even * / this\n\n',
      '@s/a 1.2.3, BSD-3-Clause\n\nCopyright S\nterms of a\n*/\n',
    ]);
  });

  test('refuses a package that names no terms', () => {
    expect(() => licencesComment(root, ['node_modules/bare/z.js'])).toThrow('node_modules/bare names no licence');
  });
});
