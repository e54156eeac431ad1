import { randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { brotliCompressSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { settle } from '../../kit/manual-clock.ts';
import { ask, begin, Rig } from './rig.ts';

const rig = new Rig();
afterEach(() => rig.close());

const text = 'words, words, words. '.repeat(50);

function coded(coding: string, body: Uint8Array, status = 200): RequestListener {
  return (_message, response) =>
    response.writeHead(status, { 'X-Kept': '1', 'Content-Encoding': coding, 'Content-Length': body.length }).end(body);
}

describe('with decompress', () => {
  test.each([
    ['gzip', gzipSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
  ])('%s is taken off, and the fields that spoke of it', async (coding, body) => {
    const { url } = await rig.http(coded(coding, body));
    const answer = await ask(rig.egress(), { url, decompress: true });
    expect(answer.body.toString()).toBe(text);
    const names = answer.headers.map(({ name }) => name);
    expect(names).toContain('X-Kept');
    expect(names).not.toContain('Content-Encoding');
    expect(names).not.toContain('Content-Length');
  });

  test('the codings are asked for, unless the caller chose', async () => {
    const { url } = await rig.http((message, response) => response.end(message.headers['accept-encoding'] ?? 'none'));
    const asked = async (...headers: { name: string; value: string }[]) =>
      (await ask(rig.egress(), { url, decompress: true, headers })).body.toString();
    expect(await asked()).toBe('gzip, deflate, br, zstd');
    expect(await asked({ name: 'Accept-Encoding', value: 'br' })).toBe('br');
    expect(await asked({ name: 'Range', value: 'bytes=0-9' })).toBe('none');
  });

  test.each([
    ['HEAD', 200],
    ['GET', 204],
    ['GET', 304],
  ])('the answer to %s with %i stays as it is', async (method, status) => {
    const { url } = await rig.http((_message, response) =>
      response.writeHead(status, { 'content-encoding': 'gzip' }).end(),
    );
    const answer = await ask(rig.egress(), { url, method, decompress: true });
    expect(answer).toMatchObject({ status, calls: ['head', 'end'] });
    expect(answer.headers).toContainEqual({ name: 'content-encoding', value: 'gzip' });
  });

  test('a part of a coded answer, and a coding that nobody knows, stay as they are', async () => {
    const bytes = gzipSync(text).subarray(5, 20);
    for (const [coding, status] of [
      ['gzip', 206],
      ['unheard-of', 200],
    ] as const) {
      const { url } = await rig.http(coded(coding, bytes, status));
      const answer = await ask(rig.egress(), { url, decompress: true });
      expect(answer.body.equals(bytes)).toBe(true);
      expect(answer.headers).toContainEqual({ name: 'Content-Encoding', value: coding });
    }
  });

  test('the bound is of the decoded body', async () => {
    const { url } = await rig.http(coded('gzip', gzipSync(text)));
    const fits = await ask(rig.egress(), { url, decompress: true, maxResponseBytes: text.length });
    expect(fits.failure).toBeUndefined();
    const tooLarge = await ask(rig.egress(), { url, decompress: true, maxResponseBytes: text.length - 1 });
    expect(tooLarge.failure).toMatchObject({ code: FailureCode.RESPONSE_TOO_LARGE, execution: Execution.DONE });
  });

  test('a bomb ends the job and its connection', async () => {
    const { url } = await rig.http(coded('gzip', gzipSync(Buffer.alloc(20 * 1024 * 1024))));
    const egress = rig.egress();
    const { failure } = await ask(egress, { url, decompress: true });
    expect(failure).toMatchObject({ code: FailureCode.DECOMPRESSION_LIMIT, execution: Execution.DONE });
    expect(egress.running).toBe(0);
  });

  test('too many codings are refused before the head', async () => {
    const { url } = await rig.http(coded('gzip, gzip, gzip, gzip, gzip', gzipSync(text)));
    const { failure, calls } = await ask(rig.egress(), { url, decompress: true });
    expect(failure).toMatchObject({ code: FailureCode.DECOMPRESSION_LIMIT, execution: Execution.DONE });
    expect(calls).toEqual(['fail']);
  });

  test('a sink that pauses holds the decoder, and gets all when it takes again', async () => {
    const body = randomBytes(2 * 1024 * 1024);
    const { url } = await rig.http(coded('gzip', gzipSync(body, { level: 1 })));
    const { exchange, sink } = begin(rig.egress(), { url, decompress: true });
    sink.taking = false;
    await sink.headCame;
    while (sink.body.length === 0) await settle();
    for (let i = 0; i < 20; i++) await settle();
    expect(sink.body.length).toBeLessThan(256 * 1024);
    sink.taking = true;
    exchange.resume();
    await sink.over;
    expect(sink.body.equals(body)).toBe(true);
  });

  test('an abort in the middle stops the decoder', async () => {
    const { url } = await rig.http(coded('gzip', gzipSync(Buffer.alloc(1024 * 1024, text))));
    const { exchange, sink } = begin(rig.egress(), { url, decompress: true });
    await sink.headCame;
    exchange.abort();
    for (let i = 0; i < 20; i++) await settle();
    expect(sink.calls).toEqual(['head']);
  });
});

test('without decompress a coded body is handed over as it is', async () => {
  const body = gzipSync(text);
  const { url } = await rig.http(coded('gzip', body));
  const answer = await ask(rig.egress(), { url });
  expect(answer.body.equals(body)).toBe(true);
  expect(answer.headers).toContainEqual({ name: 'Content-Length', value: String(body.length) });
});
