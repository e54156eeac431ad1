// How long to wait before the next try: two published shapes, both pure.
import type { Random } from './clock.ts';

/** Full jitter: rand(0, min(maxMs, baseMs * 2^tries)); spreads a crowd that lost its server at one moment. */
export function fullJitterMs(tries: number, baseMs: number, maxMs: number, random: Random): number {
  return random() * exponentialMs(tries, baseMs, maxMs);
}

/** min(baseMs * 2^tries, maxMs) * rand(0.8, 1.2); keeps the shape of the backoff and only avoids lockstep. */
export function narrowJitterMs(tries: number, baseMs: number, maxMs: number, random: Random): number {
  return exponentialMs(tries, baseMs, maxMs) * (0.8 + 0.4 * random());
}

function exponentialMs(tries: number, baseMs: number, maxMs: number): number {
  return Math.min(maxMs, baseMs * 2 ** Math.min(tries, 30));
}
