// Times that the project promises. A story says what it measured beside the goal, and fails only where no busy machine
// explains the time any more: one that is slow for a moment must not look like a defect.
import { say } from './run.ts';
import { within } from './waiting.ts';

const leastPatienceMs = 20_000;

/** When what is promised within `goalMs` is not to come any more. */
export function patienceMs(goalMs: number): number {
  return Math.max(leastPatienceMs, 3 * goalMs);
}

/** Says how long something took. Throws when that is beyond all patience. */
export function sayTime(what: string, ms: number, goalMs: number): void {
  const line = `${what}: ${Math.round(ms)} ms (goal: within ${goalMs} ms)`;
  if (ms > patienceMs(goalMs)) throw new Error(line);
  say(line);
}

/** Says how long it takes until the promise is kept, counted from now. */
export async function timed<T>(what: string, goalMs: number, kept: Promise<T>): Promise<T> {
  const begin = performance.now();
  const value = await within(what, patienceMs(goalMs), kept);
  sayTime(what, performance.now() - begin, goalMs);
  return value;
}
