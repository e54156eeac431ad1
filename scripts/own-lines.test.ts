// The maps beside the bundles of the image, read by Node's own reader.
import { SourceMap } from 'node:module';
import { describe, expect, test } from '@jest/globals';
import { transformSync } from 'esbuild';
import { ownLines } from './own-lines.ts';

/** Lines and columns of each part are those of its own file. */
function joined(...parts: readonly { readonly name: string; readonly code: string }[]) {
  const text = parts.map(({ code }) => code).join('\n');
  const { code, map } = transformSync(text, { sourcemap: true, sourcefile: 'all', minify: true, format: 'esm' });
  return { code, map: JSON.parse(map) };
}

describe('ownLines', () => {
  const own = { name: 'own', code: 'export function ours() {\n  throw new Error("ours");\n}' };

  test('leaves a map of nothing but ours as it is, names aside', () => {
    const { map } = joined(own);
    const again = ownLines(map, () => true);
    const [before, after] = [new SourceMap(map), new SourceMap(again)];
    for (let column = 0; column < 60; column++) {
      const { name: _, ...entry } = before.findEntry(0, column) as { name?: string };
      expect(after.findEntry(0, column)).toMatchObject(entry);
    }
  });

  test('has nothing where nothing is ours', () => {
    const { map } = joined(own);
    expect(ownLines(map, () => false)).toMatchObject({ sources: [], mappings: expect.stringMatching(/^;*$/) });
  });

  test('ends ours where a package begins, and counts on from there', () => {
    // Line 1: ours at 0:0, a package's at 10:0, at 12:3, ours again at 40:2. Line 2: a package's. Line 3: ours, 3 lines up.
    const mappings = 'AAAA,UCUA,UCEG,oBDbE;ACcA;ADfA';
    const map = { version: 3, sources: ['../own.ts', '../node_modules/x.js', '../node_modules/y.js'], mappings };
    const cut = ownLines(map, (source) => !source.includes('node_modules'));
    expect(cut.sources).toEqual(['../own.ts']);
    const read = new SourceMap({ file: 'f', names: [], sourcesContent: [], sourceRoot: '', ...cut, version: 3 });
    const whole = new SourceMap({ file: 'f', names: [], sourcesContent: [], sourceRoot: '', ...map, version: 3 });
    for (const [line, column] of [
      [0, 0],
      [0, 9],
      [0, 10],
      [0, 25],
      [0, 45],
      [1, 3],
      [2, 0],
    ] as const) {
      const is = read.findEntry(line, column);
      const was = whole.findEntry(line, column);
      const source = 'originalSource' in was ? was.originalSource : undefined;
      if (source === '../own.ts') expect(is).toEqual(was);
      else expect(is).not.toHaveProperty('originalSource', expect.anything());
    }
  });
});
