// A rate with a burst of one second, kept in two numbers. Nothing runs between two jobs.

export interface TokenBucket {
  /** Jobs that may come at once, as of refilledAt. */
  tokens: number;
  refilledAt: number;
}

/** Takes one, and returns 0; or takes nothing, and returns after how many milliseconds there is one. */
export function takeToken(bucket: TokenBucket, perSecond: number, now: number): number {
  const refill = ((now - bucket.refilledAt) / 1000) * perSecond;
  bucket.tokens = Math.min(Math.max(1, perSecond), bucket.tokens + refill);
  bucket.refilledAt = now;
  if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
  bucket.tokens--;
  return 0;
}
