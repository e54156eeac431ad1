import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { digestOf } from '../../kit/digest.ts';
import { ManualClock } from '../../kit/manual-clock.ts';
import { FileKeys, parseKeys } from './file-keys.ts';

let folder: string;
let path: string;
let lines: { level: number; msg: string; keyId?: string; fault?: string }[];
let source: FileKeys;
let changes: number;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'file-keys-'));
  path = join(folder, 'agent-keys.json');
  lines = [];
  changes = 0;
  const log = pino({ level: 'trace' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  source = new FileKeys({ path, clock: new ManualClock(), log });
  source.onChange(() => changes++);
});

afterEach(() => {
  source.stop();
  rmSync(folder, { recursive: true });
});

function key(id: string, extra: object = {}) {
  return { id, name: `name-${id}`, digest: digestOf(id), ...extra };
}

function write(...keys: object[]): void {
  writeFileSync(path, JSON.stringify({ keys }), { mode: 0o600 });
}

async function settle(): Promise<void> {
  await source.poll();
  await source.poll();
}

describe('FileKeys', () => {
  test('knows no key without a file, says so, and takes the file when it appears', async () => {
    await source.start();
    expect(source.keys.size).toBe(0);
    expect(lines.map((line) => line.msg)).toEqual(['there is no keys file: no agent can connect']);
    write(key('a'));
    await settle();
    expect([...source.keys.keys()]).toEqual(['a']);
    expect(changes).toBe(1);
  });

  test('closes again when the file goes', async () => {
    write(key('a'));
    await source.start();
    rmSync(path);
    await settle();
    expect(source.keys.size).toBe(0);
    expect(changes).toBe(1);
  });

  test('refuses both of two keys with one id, and says which', async () => {
    write(key('a'), key('b'), key('a', { name: 'other' }));
    await source.start();
    expect([...source.keys.keys()]).toEqual(['b']);
    expect(lines.map((line) => line.keyId)).toEqual(['a']);
  });

  test('refuses a third one as well', () => {
    const text = JSON.stringify({ keys: [key('a'), key('a'), key('a')] });
    expect(parseKeys(text, path).keys.size).toBe(0);
  });

  test('keeps its keys when the file gets a fault, and says where it is', async () => {
    write(key('a'));
    await source.start();
    write(key('a'), key('b', { maxAgents: 0, colour: 'red' }));
    await settle();
    expect([...source.keys.keys()]).toEqual(['a']);
    expect(changes).toBe(0);
    expect(lines[0]?.fault?.split('\n')).toEqual([
      `${path}: keys[1].maxAgents: must be at least 1`,
      `${path}: keys[1]: Unrecognized key: "colour"`,
    ]);
  });

  test('does not start on a file with a fault', async () => {
    writeFileSync(path, '{"keys": {}}');
    await expect(source.start()).rejects.toThrow(`${path}: keys: `);
  });

  test('never quotes the file', async () => {
    writeFileSync(path, '{"keys": [rpk_secret');
    await expect(source.start()).rejects.toThrow(`${path}: is not JSON`);
  });

  test('warns when everybody may read the file', async () => {
    write(key('a'));
    chmodSync(path, 0o644);
    await source.start();
    expect(lines.map((line) => line.msg)).toEqual(['everybody on this machine may open the keys file']);
  });
});
