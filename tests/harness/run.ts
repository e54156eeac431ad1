// How a run was asked for: small enough for every change, or in full; and the seed that brings every choice back. What the
// processes make of it is theirs.
import { randomInt } from 'node:crypto';
import { SeededRandom } from './seeded-random.ts';

/** `npm run test:faults -- --full` and `-- --seed N` set these. */
export const full = process.env.RESPROXY_TEST_FULL === 'true';
export const seed = Number(process.env.RESPROXY_TEST_SEED ?? randomInt(2 ** 31));

/** Randomness of that part of the run, the same again for the same seed. */
export function randomOf(part: string, index = 0): SeededRandom {
  return SeededRandom.of(seed, part, index);
}

/** Figures, for whoever runs the test. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
