// How a secret of 128 random bits or more is kept: as its SHA-256, written `sha256:HEX`. A slow password hash would
// protect nothing here, since there is nothing to guess.
import { hash, timingSafeEqual } from 'node:crypto';

export const digestPattern = /^sha256:[0-9a-f]{64}$/;

/** A digest that no secret has: what a presented secret is compared with when there is nothing to compare. */
export const noDigest: string = `sha256:${'0'.repeat(64)}`;

export function digestOf(secret: string): string {
  return `sha256:${hash('sha256', secret)}`;
}

/** Takes the same time whether or not, and wherever, the two differ. */
export function digestsEqual(a: string, b: string): boolean {
  const bytesA = Buffer.from(a, 'latin1');
  const bytesB = Buffer.from(b, 'latin1');
  return bytesA.length === bytesB.length && timingSafeEqual(bytesA, bytesB);
}
