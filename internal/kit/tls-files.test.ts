import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SecureContextOptions } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock } from './manual-clock.ts';
import { type PemPair, selfSigned } from './self-signed.ts';
import { TlsFiles } from './tls-files.ts';

const first = selfSigned('first');
const second = selfSigned('second');

let folder: string;
let faults: string[];
let files: TlsFiles;
let given: SecureContextOptions[];
const server = { setSecureContext: (options: SecureContextOptions) => void given.push(options) };

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tls-files-'));
  faults = [];
  given = [];
  files = new TlsFiles({
    certPath: join(folder, 'tls.crt'),
    keyPath: join(folder, 'tls.key'),
    clock: new ManualClock(),
    onFault: (error) => faults.push(error.message),
  });
});

afterEach(() => {
  files.stop();
  rmSync(folder, { recursive: true });
});

function write(pair: Partial<PemPair>): void {
  if (pair.cert) replace(join(folder, 'tls.crt'), pair.cert);
  if (pair.key) replace(join(folder, 'tls.key'), pair.key);
}

/** A write in place of the same size and within one tick of the file system's clock would not show. */
function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}

async function settle(): Promise<void> {
  await files.poll();
  await files.poll();
}

describe('TlsFiles', () => {
  test('gives the pair at start, and each new one to the servers that follow it', async () => {
    write(first);
    await files.start();
    expect(files.pair).toMatchObject(first);
    files.follow(server);
    write(second);
    await settle();
    expect(given).toMatchObject([first, second]);
    expect(files.pair).toMatchObject(second);
  });

  test('keeps the old pair while the new one is half written, then takes the new one', async () => {
    write(first);
    await files.start();
    files.follow(server);
    write({ cert: second.cert });
    await settle();
    expect(files.pair).toMatchObject(first);
    expect(faults).toEqual(['certificate and key are not a usable pair']);
    write({ key: second.key });
    await settle();
    expect(given).toMatchObject([first, second]);
  });

  test('keeps the old pair when a file is gone', async () => {
    write(first);
    await files.start();
    rmSync(join(folder, 'tls.key'));
    await settle();
    expect(files.pair).toMatchObject(first);
    expect(faults).toEqual([`${join(folder, 'tls.key')}: no such file`]);
  });

  test('does not start without a pair that fits together', async () => {
    write({ cert: first.cert, key: second.key });
    await expect(files.start()).rejects.toThrow('not a usable pair');
  });

  test('follows the authority too, and keeps the old one when the new one is no certificate', async () => {
    const caPath = join(folder, 'ca.crt');
    write(first);
    replace(caPath, first.cert);
    const certPath = join(folder, 'tls.crt');
    const keyPath = join(folder, 'tls.key');
    const onFault = (error: Error) => faults.push(error.message);
    files = new TlsFiles({ certPath, keyPath, caPath, clock: new ManualClock(), onFault });
    await files.start();
    expect(files.pair.ca).toBe(first.cert);
    replace(caPath, 'nothing of the kind');
    await settle();
    expect([files.pair.ca, faults]).toEqual([first.cert, ['the authority is no certificate']]);
    replace(caPath, second.cert);
    await settle();
    expect(files.pair.ca).toBe(second.cert);
  });

  test('gives nothing to a server that no longer follows', async () => {
    write(first);
    await files.start();
    files.follow(server);
    files.unfollow(server);
    write(second);
    await settle();
    expect(given).toMatchObject([first]);
  });
});
