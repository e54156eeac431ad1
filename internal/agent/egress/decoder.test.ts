import { randomBytes } from 'node:crypto';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, test } from '@jest/globals';
import { FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { codingsOf } from './coding.ts';
import { Decoder } from './decoder.ts';

const text = Buffer.from('the same words again and again, '.repeat(200));

/** Writes the coded bytes in pieces, as an origin would, and gathers what comes out. */
async function decode(encoding: string, coded: Uint8Array, pieceBytes = 700) {
  const codings = codingsOf([encoding]);
  if (codings === 'too-many' || codings.length === 0) throw new Error(`${encoding} is not decoded`);
  const { promise, resolve } = Promise.withResolvers<FailureCode | 'end'>();
  const out: Uint8Array[] = [];
  const sink = {
    data: (bytes: Uint8Array) => out.push(bytes) > 0,
    end: () => resolve('end'),
    fail: (code: FailureCode) => resolve(code),
  };
  let at = 0;
  const pump = () => {
    while (at < coded.length) {
      const piece = coded.subarray(at, at + pieceBytes);
      at += piece.length;
      if (!decoder.write(piece)) return;
    }
    decoder.end();
  };
  const decoder = new Decoder(codings, sink, pump);
  pump();
  const outcome = await promise;
  decoder.destroy();
  return { outcome, body: Buffer.concat(out) };
}

describe('what an origin coded', () => {
  test.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['zstd', zstdCompressSync(text)],
    ['gzip, br', brotliCompressSync(gzipSync(text))],
    ['deflate, identity, gzip', gzipSync(deflateSync(text))],
    ['gzip, gzip, gzip, gzip', gzipSync(gzipSync(gzipSync(gzipSync(text))))],
  ])('as %s comes back whole', async (encoding, coded) => {
    expect(await decode(encoding, coded)).toEqual({ outcome: 'end', body: text });
    expect(await decode(encoding, coded, 1)).toEqual({ outcome: 'end', body: text });
  });

  test('as an empty body is an empty body', async () => {
    expect(await decode('gzip', new Uint8Array(0))).toEqual({ outcome: 'end', body: Buffer.alloc(0) });
    expect(await decode('gzip, br', new Uint8Array(0))).toEqual({ outcome: 'end', body: Buffer.alloc(0) });
  });
});

describe('what cannot be decoded', () => {
  test('a coding that nobody knows leaves the answer as it is', () => {
    expect(codingsOf(['compress'])).toEqual([]);
    expect(codingsOf(['gzip', 'aes128gcm'])).toEqual([]);
    expect(codingsOf(['identity'])).toEqual([]);
    expect(codingsOf([])).toEqual([]);
  });

  test('more than four codings are too many', () => {
    expect(codingsOf(['gzip, gzip', 'gzip, gzip, gzip'])).toBe('too-many');
  });

  test.each(['gzip', 'deflate', 'br', 'zstd', 'gzip, br'])('%s that is cut short is incomplete', async (encoding) => {
    const coded = encode(encoding);
    const { outcome } = await decode(encoding, coded.subarray(0, coded.length - 9));
    expect(outcome).toBe(FailureCode.RESPONSE_INCOMPLETE);
  });

  test.each(['gzip', 'br', 'zstd', 'gzip, br'])('%s that is no such thing is refused', async (encoding) => {
    const { outcome } = await decode(encoding, Buffer.alloc(5000, 0xf7));
    expect(outcome).toBe(FailureCode.DECOMPRESSION_LIMIT);
  });
});

describe('a bomb', () => {
  const megabytes = Buffer.alloc(32 * 1024 * 1024);

  test.each(['gzip', 'br', 'zstd', 'gzip, gzip'])('of %s is stopped long before its end', async (encoding) => {
    const { outcome, body } = await decode(encoding, encode(encoding, megabytes));
    expect(outcome).toBe(FailureCode.DECOMPRESSION_LIMIT);
    expect(body.length).toBeLessThan(megabytes.length / 4);
  });

  test('is not what a small answer of zeros is', async () => {
    const { outcome, body } = await decode('gzip', gzipSync(Buffer.alloc(1024 * 1024)));
    expect(outcome).toBe('end');
    expect(body).toHaveLength(1024 * 1024);
  });
});

test('a sink that pauses stops the decoder, and the decoder stops the origin', async () => {
  let taken = 0;
  const [gunzip] = codingsOf(['gzip']);
  if (typeof gunzip !== 'function') throw new Error('no gzip');
  const sink = {
    data: (bytes: Uint8Array) => {
      taken += bytes.length;
      return false;
    },
    end: () => {},
    fail: () => {},
  };
  const decoder = new Decoder([gunzip], sink, () => {});
  const coded = gzipSync(randomBytes(1024 * 1024), { level: 0 });
  let refused = false;
  for (let at = 0; at < coded.length && !refused; at += 65_536)
    refused = !decoder.write(coded.subarray(at, at + 65_536));
  await new Promise((resolve) => setImmediate(resolve));
  expect(refused).toBe(true);
  expect(taken).toBeLessThan(128 * 1024);
  decoder.destroy();
});

test('a sink that pauses after every piece gets all of it through stacked codings', async () => {
  const plain = randomBytes(512 * 1024);
  const coded = encode('gzip, gzip', plain);
  const codings = codingsOf(['gzip, gzip']);
  if (codings === 'too-many') throw new Error('too many');
  const { promise, resolve } = Promise.withResolvers<void>();
  const out: Uint8Array[] = [];
  let at = 0;
  const pump = () => {
    while (at < coded.length) {
      const piece = coded.subarray(at, at + 16_384);
      at += piece.length;
      if (!decoder.write(piece)) return;
    }
    decoder.end();
  };
  const sink = {
    data: (bytes: Uint8Array) => {
      out.push(bytes);
      setImmediate(() => decoder.resume());
      return false;
    },
    end: resolve,
    fail: (code: FailureCode) => {
      throw new Error(String(code));
    },
  };
  const decoder = new Decoder(codings, sink, pump);
  pump();
  await promise;
  expect(Buffer.concat(out).equals(plain)).toBe(true);
});

test('after destroy nothing more comes', async () => {
  const [gunzip] = codingsOf(['gzip']);
  if (typeof gunzip !== 'function') throw new Error('no gzip');
  const calls: string[] = [];
  const note = (call: string) => () => calls.push(call) > 0;
  const decoder = new Decoder([gunzip], { data: note('data'), end: note('end'), fail: note('fail') }, note('drained'));
  decoder.write(gzipSync(text));
  decoder.end();
  decoder.destroy();
  await decode('gzip', gzipSync(text));
  expect(calls).toEqual([]);
});

function encode(encoding: string, plain: Uint8Array = text): Uint8Array {
  const coders: Record<string, (bytes: Uint8Array) => Uint8Array> = {
    gzip: (bytes) => gzipSync(bytes),
    deflate: (bytes) => deflateSync(bytes),
    br: (bytes) => brotliCompressSync(bytes, { params: { 1: 1 } }),
    zstd: (bytes) => zstdCompressSync(bytes),
  };
  return encoding.split(', ').reduce((bytes, name) => coders[name]?.(bytes) ?? bytes, plain);
}
