// What happens to honest bytes on their way: bits flip, ends are cut off, parts come twice or from another message,
// numbers become the largest there are. Pure, so that a seed tells everything.
import type { SeededRandom } from '../harness/seeded-random.ts';

type Mutation = (bytes: Buffer, random: SeededRandom, corpus: readonly Buffer[]) => Buffer;

/** Varints at their edges: 0, 2^31, 2^32 - 1, 2^64 - 1, one that is too long, one that never ends. */
const extremes = ['00', '8080808008', 'ffffffff0f', 'ffffffffffffffffff01', 'ffffffffffffffffffff01', 'ffffff'].map(
  (hex) => Buffer.from(hex, 'hex'),
);
/** Bytes with a meaning of their own somewhere: line ends, separators, quotes, the edges of ASCII and of signs. */
const special = Buffer.from('00090a0d20222526272b2c2d2e2f3a3b3c3d3f405b5c5d7b7d7f80feff', 'hex');

const mutations: readonly Mutation[] = [
  function flipBits(bytes, random) {
    const changed = Buffer.from(bytes);
    for (let left = 1 + random.below(4); left > 0; left--) {
      const at = random.below(bytes.length);
      changed.writeUInt8(bytes.readUInt8(at) ^ (1 << random.below(8)), at);
    }
    return changed;
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, random.below(bytes.length));
  },
  function repeatPart(bytes, random) {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from)]);
  },
  function removePart(bytes, random) {
    const [from, to] = range(bytes, random);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
  function splice(bytes, random, corpus) {
    const other = random.pick(corpus);
    return Buffer.concat([bytes.subarray(0, random.below(bytes.length)), other.subarray(random.below(other.length))]);
  },
  function extremeNumber(bytes, random) {
    return put(bytes, random, random.pick(extremes));
  },
  function specialByte(bytes, random) {
    return put(bytes, random, Buffer.of(special.readUInt8(random.below(special.length))));
  },
  function insertNoise(bytes, random) {
    const at = random.below(bytes.length + 1);
    return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(32)), bytes.subarray(at)]);
  },
  function becomeLong(bytes, random) {
    const [from, to] = range(bytes, random);
    const part = bytes.subarray(from, to);
    return Buffer.concat([
      bytes.subarray(0, to),
      ...Array<Buffer>(2 ** random.below(9)).fill(part),
      bytes.subarray(to),
    ]);
  },
];

/** One to three mutations, one after the other. */
export function mutate(bytes: Buffer, random: SeededRandom, corpus: readonly Buffer[]): Buffer {
  let mutant = bytes;
  for (let left = 1 + random.below(3); left > 0 && mutant.length > 0; left--) {
    mutant = random.pick(mutations)(mutant, random, corpus);
  }
  return mutant;
}

/** Other characters in place of some, so that text stays text and every length stays right. */
export function retype(text: string, random: SeededRandom): string {
  const chars = text.split('');
  for (let left = 1 + random.below(3); left > 0 && chars.length > 0; left--) {
    chars[random.below(chars.length)] = String.fromCharCode(random.below(128));
  }
  return chars.join('');
}

/** Replaces what stands at some place, or stands before it. */
function put(bytes: Buffer, random: SeededRandom, piece: Buffer): Buffer {
  const at = random.below(bytes.length);
  const after = at + (random.chance(0.5) ? 0 : piece.length);
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(after)]);
}

function range(bytes: Buffer, random: SeededRandom): [from: number, to: number] {
  const from = random.below(bytes.length);
  return [from, from + 1 + random.below(Math.min(64, bytes.length - from))];
}
