// A stack trace of a bundle, in a process of its own: what it names is ours to change for a whole process only.
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { bundlePrograms } from '../../scripts/bundle-programs.ts';

const run = promisify(execFile);
const settings = 'internal/kit/settings.ts';
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lines-'));
  const files = await bundlePrograms({ settings, lines: 'cmd/image/source-lines.ts' });
  for (const [name, content] of files) await writeFile(join(folder, name), content);
});
afterAll(() => rm(folder, { recursive: true }));

/** What a call of `describeSettings` with nothing throws. */
async function trace(prelude: string): Promise<string> {
  const code = `
    import { describeSettings } from './settings.mjs';
    import { nameSourceLines } from './lines.mjs';
    ${prelude}
    try { describeSettings(undefined); } catch (error) { console.log(error.stack); }`;
  await writeFile(join(folder, 'main.mjs'), code);
  const { stdout } = await run(process.execPath, ['main.mjs'], { cwd: folder, env: {}, timeout: 20_000 });
  return stdout;
}

const named = `nameSourceLines(new URL('.', import.meta.url));`;

describe('a stack trace of a bundle', () => {
  test('names the line that was written, and leaves what has no map as it is', async () => {
    const [head, first = '', second] = (await trace(named)).split('\n');
    expect(head).toBe('TypeError: Cannot convert undefined or null to object');
    expect([first, second].join()).toContain('at Object.entries');
    const [, line] = /describeSettings \(internal\/kit\/settings\.ts:(\d+):\d+\)/.exec(second ?? '') ?? [];
    expect((await readFile(settings, 'utf8')).split('\n')[Number(line) - 1]).toContain('Object.entries');
    expect(await trace(named)).toContain(`${pathToFileURL(folder).href}/main.mjs:5`);
  });

  test('is as V8 writes it where the maps are gone', async () => {
    const plain = await trace('');
    await Promise.all(['settings', 'lines'].map((name) => rm(join(folder, `${name}.mjs.map`))));
    expect(await trace(named)).toBe(plain);
  });
});
