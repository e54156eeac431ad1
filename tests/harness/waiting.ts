// Waiting for something to become true, always with a bound and always saying what was waited for. Tests never sleep
// for a guessed time.
import { setTimeout as pause } from 'node:timers/promises';

export const defaultBoundMs = 15_000;

/** Rejects when `promise` is not settled within the bound. */
export async function within<T>(what: string, boundMs: number, promise: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`not within ${boundMs} ms: ${what}`)), boundMs);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is neither undefined nor false. For what cannot tell by itself. */
export async function until<T>(
  what: string,
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  boundMs = defaultBoundMs,
): Promise<T> {
  const end = performance.now() + boundMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > end) throw new Error(`not within ${boundMs} ms: ${what}`);
    await pause(20);
  }
}
