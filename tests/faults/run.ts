// How a run was asked for: `npm run test:faults` is a smoke of at most a minute, `-- --full` the whole; the seed brings
// every choice back, what the processes make of it is theirs (scripts/test-faults.ts).
import { randomInt } from 'node:crypto';
import { SeededRandom } from '../fuzz/random.ts';

export const full = process.env.RESPROXY_FAULTS_FULL === 'true';
export const seed = Number(process.env.RESPROXY_FAULTS_SEED ?? randomInt(2 ** 31));

/** Randomness of that part of the run, the same again for the same seed. */
export function randomOf(part: string, index = 0): SeededRandom {
  return SeededRandom.of(seed, part, index);
}

/** Figures, for whoever runs the test. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
