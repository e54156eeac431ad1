import { expect, test } from '@jest/globals';
import { settle } from '../../kit/manual-clock.ts';
import type { RequestBody } from './egress-api.ts';
import { maxReplayBytes, ReplayBudget, Upload, UploadError } from './upload.ts';

/** A source that gives the chunks in turn and counts how often it is asked at once. */
function source(...chunks: string[]) {
  const rest = chunks.map((chunk) => Buffer.from(chunk));
  const first = rest.shift() ?? new Uint8Array(0);
  const seen = { atOnce: 0, most: 0 };
  const body: RequestBody = {
    first,
    end: false,
    read: async () => {
      seen.most = Math.max(seen.most, ++seen.atOnce);
      await settle();
      seen.atOnce--;
      return rest.shift();
    },
  };
  return { body, seen };
}

async function readAll(upload: Upload): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of upload) parts.push(part);
  return Buffer.concat(parts).toString();
}

const budget = () => new ReplayBudget(64 * 1024 * 1024);

test('a kept body can be sent again, as often as there are redirects', async () => {
  const upload = new Upload(source('one', 'two', 'three').body, true, budget());
  for (let i = 0; i < 3; i++) {
    expect(upload.replayable).toBe(true);
    expect(await readAll(upload)).toBe('onetwothree');
  }
});

test('a body that is not kept can be sent once', async () => {
  const upload = new Upload(source('one', 'two').body, false, budget());
  expect(upload.replayable).toBe(true);
  expect(await readAll(upload)).toBe('onetwo');
  expect(upload.replayable).toBe(false);
});

test('a body without a first part, and an empty one', async () => {
  expect(await readAll(new Upload(source('', 'two').body, true, budget()))).toBe('two');
  expect(await readAll(new Upload(source().body, true, budget()))).toBe('');
});

test('a new pass takes over from one that still waits, and loses and doubles nothing', async () => {
  const { body, seen } = source('one', 'two', 'three');
  const upload = new Upload(body, true, budget());
  const early = upload[Symbol.asyncIterator]();
  expect(await early.next()).toMatchObject({ value: Buffer.from('one') });
  const waiting = early.next();
  const whole = readAll(upload);
  expect(await waiting).toEqual({ value: undefined, done: true });
  expect(await whole).toBe('onetwothree');
  expect(await readAll(upload)).toBe('onetwothree');
  expect(seen.most).toBe(1);
});

test('a body larger than may be kept goes out whole and cannot be sent again', async () => {
  const mebibyte = 'x'.repeat(1024 * 1024);
  const chunks = Array.from({ length: maxReplayBytes / mebibyte.length + 1 }, () => mebibyte);
  const bytes = budget();
  const upload = new Upload(source(...chunks).body, true, bytes);
  expect(await readAll(upload)).toHaveLength(maxReplayBytes + mebibyte.length);
  expect(upload.replayable).toBe(false);
  expect(bytes.usedBytes).toBe(0);
});

test('what all bodies keep together is bounded, and given back', async () => {
  const bytes = new ReplayBudget(10);
  const first = new Upload(source('12345678').body, true, bytes);
  const second = new Upload(source('12345678').body, true, bytes);
  await readAll(first);
  await readAll(second);
  expect(first.replayable).toBe(true);
  expect(second.replayable).toBe(false);
  expect(bytes.usedBytes).toBe(8);
  first.dispose();
  first.dispose();
  expect(bytes.usedBytes).toBe(0);
});

test('a source that breaks off is told as the upload error', async () => {
  const read = () => Promise.reject(new Error('gone'));
  const upload = new Upload({ first: Buffer.from('one'), end: false, read }, true, budget());
  await expect(readAll(upload)).rejects.toBeInstanceOf(UploadError);
});

test('after dispose a pass that waits ends without the bytes', async () => {
  const upload = new Upload(source('one', 'two').body, true, budget());
  const pass = upload[Symbol.asyncIterator]();
  await pass.next();
  const waiting = pass.next();
  upload.dispose();
  expect(await waiting).toEqual({ value: undefined, done: true });
});
