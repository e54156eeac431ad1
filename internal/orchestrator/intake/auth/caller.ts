// A service that hands jobs in: who it is, on whose behalf it acts, what it may do and how much of it.
import type { TokenBucket } from '../token-bucket.ts';

export const allScopes = ['jobs:run', 'jobs:read', 'agents:read', 'agents:admin'] as const;
export type Scope = (typeof allScopes)[number];

export interface CallerLimits {
  /** Calls at once. */
  readonly maxInFlight: number;
  /** Also how many may come at one moment. */
  readonly jobsPerSecond: number;
  /** To one registrable domain. */
  readonly jobsPerSecondPerOrigin: number;
}

/** What a caller uses of its limits now. Only admission changes it. */
export interface CallerLoad extends TokenBucket {
  inFlight: number;
}

export interface Caller {
  readonly name: string;
  readonly tenant: string;
  readonly scopes: ReadonlySet<Scope>;
  readonly limits: CallerLimits;
  readonly load: CallerLoad;
  /** When the token that it showed is over, in Unix milliseconds; undefined: never. */
  readonly goodUntilMs?: number;
}

export const unlimited: CallerLimits = {
  maxInFlight: Number.POSITIVE_INFINITY,
  jobsPerSecond: Number.POSITIVE_INFINITY,
  jobsPerSecondPerOrigin: Number.POSITIVE_INFINITY,
};

/** The load of a caller that was never seen: its first moment may bring a full burst. */
export function freshLoad(): CallerLoad {
  return { inFlight: 0, tokens: Number.POSITIVE_INFINITY, refilledAt: 0 };
}
