import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from './manual-clock.ts';
import { WatchedFile, type WatchedFileOptions } from './watched-file.ts';

let folder: string;
let path: string;
let clock: ManualClock;
let changes: unknown[];
let faults: string[];
let file: WatchedFile<unknown>;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'watched-file-'));
  path = join(folder, 'value.json');
  clock = new ManualClock();
  changes = [];
  faults = [];
  file = watch();
});

afterEach(() => {
  file.stop();
  rmSync(folder, { recursive: true });
});

function watch(overrides: Partial<WatchedFileOptions<unknown>> = {}): WatchedFile<unknown> {
  return new WatchedFile<unknown>({
    paths: [path],
    clock,
    parse: ([text]) => (text === undefined ? 'missing' : JSON.parse(text)),
    onChange: (value) => changes.push(value),
    onFault: (error) => faults.push(error.message),
    ...overrides,
  });
}

/** A change is taken at the second poll that sees it. */
async function settle(): Promise<void> {
  await file.poll();
  await file.poll();
}

describe('WatchedFile', () => {
  test('has the value after start, and the new one after a change', async () => {
    writeFileSync(path, '1');
    await file.start();
    expect(file.value).toBe(1);
    writeFileSync(path, '22');
    await settle();
    expect(file.value).toBe(22);
    expect(changes).toEqual([22]);
  });

  test('does not start on a content that does not parse', async () => {
    writeFileSync(path, '{');
    await expect(file.start()).rejects.toThrow(SyntaxError);
    expect(clock.pending).toBe(0);
  });

  test('lets the parser decide what a missing file means, and sees it appear and go', async () => {
    await file.start();
    expect(file.value).toBe('missing');
    writeFileSync(path, '1');
    await settle();
    rmSync(path);
    await settle();
    expect(changes).toEqual([1, 'missing']);
  });

  test('follows a rename over the file, even one of the same size and time', async () => {
    writeFileSync(path, '1');
    await file.start();
    writeFileSync(`${path}.new`, '2');
    renameSync(`${path}.new`, path);
    await settle();
    expect(file.value).toBe(2);
  });

  test("follows a swap of the folder's symlink, as Kubernetes updates a mounted secret", async () => {
    for (const version of ['1', '2']) {
      mkdirSync(join(folder, version));
      writeFileSync(join(folder, version, 'value'), version);
    }
    symlinkSync('1', join(folder, '..data'));
    symlinkSync('..data/value', path);
    await file.start();
    symlinkSync('2', join(folder, '..data_tmp'));
    renameSync(join(folder, '..data_tmp'), join(folder, '..data'));
    await settle();
    expect(file.value).toBe(2);
  });

  test('keeps the last good value, and reports the bad one once', async () => {
    writeFileSync(path, '1');
    await file.start();
    writeFileSync(path, '{"half":');
    await settle();
    await settle();
    expect(file.value).toBe(1);
    expect(faults).toHaveLength(1);
    writeFileSync(path, '3');
    await settle();
    expect(file.value).toBe(3);
    expect(faults).toHaveLength(1);
  });

  test('waits until a change has stood still for one poll', async () => {
    writeFileSync(path, '1');
    await file.start();
    rmSync(path);
    await file.poll();
    writeFileSync(path, '22');
    await file.poll();
    expect(changes).toEqual([]);
    await file.poll();
    expect(changes).toEqual([22]);
  });

  test('reads a file that never stands still after four polls', async () => {
    writeFileSync(path, '1');
    await file.start();
    for (const text of ['10', '100', '1000', '10000']) {
      writeFileSync(path, text);
      await file.poll();
    }
    expect(changes).toEqual([10000]);
  });

  test('refuses a file over its bound', async () => {
    file = watch({ maxBytes: 3 });
    writeFileSync(path, '1');
    await file.start();
    writeFileSync(path, '12345');
    await settle();
    expect(file.value).toBe(1);
    expect(faults).toEqual([`${path}: larger than 3 bytes`]);
  });

  test('reads files that belong together as one value', async () => {
    const other = join(folder, 'other');
    file = watch({ paths: [path, other], parse: (texts) => texts.join('+') });
    writeFileSync(path, 'a');
    writeFileSync(other, 'b');
    await file.start();
    writeFileSync(path, 'cc');
    writeFileSync(other, 'dd');
    await settle();
    expect(changes).toEqual(['cc+dd']);
  });

  test('polls by its clock, and leaves no timer behind when stopped', async () => {
    await file.start();
    expect(clock.pending).toBe(1);
    file.stop();
    expect(clock.pending).toBe(0);
  });
});
