// The content codings that an agent can take off, and which of them an answer asks for.
import type { Transform } from 'node:stream';
import {
  constants,
  createBrotliDecompress,
  createGunzip,
  createInflate,
  createInflateRaw,
  createZstdDecompress,
} from 'node:zlib';

/** Makes the decoder; it is given the first byte of what it will decode. */
export type Coding = (firstByte: number) => Transform;

/** What is asked for when the caller does not say. */
export const acceptedCodings = 'gzip, deflate, br, zstd';

const maxCodings = 4;

const codings: ReadonlyMap<string, Coding> = new Map<string, Coding>([
  ['gzip', () => createGunzip()],
  ['x-gzip', () => createGunzip()],
  // RFC 9110 says zlib, some origins send it raw; a zlib header has 8 in its low half byte.
  ['deflate', (firstByte) => ((firstByte & 0x0f) === 8 ? createInflate() : createInflateRaw())],
  ['br', () => createBrotliDecompress()],
  // RFC 9659: a window of 8 MiB at most.
  ['zstd', () => createZstdDecompress({ params: { [constants.ZSTD_d_windowLogMax]: 23 } })],
]);

/** In the order they come off; none when one of them is not known; 'too-many' beyond a bound. */
export function codingsOf(contentEncodings: readonly string[]): readonly Coding[] | 'too-many' {
  const names = contentEncodings
    .flatMap((value) => value.split(','))
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  if (names.length > maxCodings) return 'too-many';
  const known = names.flatMap((name) => codings.get(name) ?? []);
  return known.length === names.length ? known.reverse() : [];
}
