// How many jobs a second a caller may send to one site, on the whole fleet. A site is a registrable domain, so that a
// name in front of it is no way around the limit; an address is a site of its own. A durable job counts when it is handed
// over. Redirects and further attempts are not counted.
import { getDomain } from 'tldts';
import type { Clock } from '../../kit/clock.ts';
import { LruMap } from '../../kit/lru.ts';
import { JobFailure } from '../failure/failures.ts';
import type { SharedLimit, Shares } from '../limits/shares.ts';
import type { Caller } from './auth/caller.ts';
import { type TokenBucket, takeToken } from './token-bucket.ts';

interface SiteRate extends TokenBucket {
  readonly limit: SharedLimit;
}

/** Callers times sites that are remembered; the least recently used one starts afresh. */
const maxRates = 20_000;
const rateOnly = { limits: { maxInFlight: Number.POSITIVE_INFINITY }, load: { inFlight: 0 } };

export class SiteRates {
  readonly #clock: Clock;
  readonly #shares: Shares;
  readonly #rates = new LruMap<string, SiteRate>(maxRates);

  constructor(clock: Clock, shares: Shares) {
    this.#clock = clock;
    this.#shares = shares;
  }

  /** Counts a job to that URL, which was validated, or throws a JobFailure. */
  enter(caller: Caller, url: string): void {
    const perSecond = caller.limits.jobsPerSecondPerOrigin;
    if (perSecond === Number.POSITIVE_INFINITY) return;
    const site = siteOf(url);
    const rate = this.#rateOf(`${caller.name}@${site}`);
    const waitMs = takeToken(rate, perSecond * this.#shares.fractionOf(rate.limit), this.#clock.now());
    if (waitMs > 0) throw tooOften(site, perSecond, waitMs);
  }

  #rateOf(name: string): SiteRate {
    const known = this.#rates.get(name);
    if (known) return known;
    const rate = { limit: { name, ...rateOnly }, tokens: Number.POSITIVE_INFINITY, refilledAt: 0 };
    this.#rates.set(name, rate);
    return rate;
  }
}

function siteOf(url: string): string {
  const { hostname } = new URL(url);
  return getDomain(hostname) ?? hostname;
}

function tooOften(site: string, perSecond: number, retryAfterMs: number): JobFailure {
  return new JobFailure('RATE_LIMITED', {
    detail: `The caller sends more than ${perSecond} jobs a second to ${site}, its limit for one site.`,
    retryAfterMs,
  });
}
