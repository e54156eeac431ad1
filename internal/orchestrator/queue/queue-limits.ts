// Every bound of how a pod works the queue, each with its unit and its reason.

export const queueLimits = {
  /** Attempts that a pod runs at once. */
  maxRunning: 256,
  /** Asked for with one claim: at most so many bodies arrive at once. */
  maxClaimed: 8,
  /** Request bodies in hand; beyond it nothing more is claimed until some have gone. */
  maxBodyBytes: 64 * 1024 * 1024,
  /** A pod that is gone for so long has lost its jobs. */
  leaseMs: 30_000,
  /** Three chances before a lease ends. */
  renewMs: 10_000,
  /** After a renewal that failed: before others may take the lease for over. */
  renewAgainMs: 1_000,
  /** What a pod that goes away has to hand back what it could not finish. */
  handBackMs: 5_000,
  /** Without a hint for so long, the store is asked anyway; +-20 %. */
  pollMs: 1_000,
  sweepMs: 5_000,
  /** While the store does not answer. */
  minStorePauseMs: 50,
  maxStorePauseMs: 2_000,
  /** Between two looks at what is parked, however much changes. */
  unparkPauseMs: 20,
  /** Targets that are tried against the view with one look; the next look goes on behind them. */
  maxTargetsTried: 250,
  /** Jobs of one target that are claimed again with one look. */
  maxUnparked: 32,
  /** Before a job that no exit took, or that could not be parked, is claimed again. */
  releaseMs: 250,
  fullParkingMs: 5_000,
  /** What an origin's Retry-After can ask for. */
  maxRetryAfterMs: 60 * 60_000,
  /** How an answer's body is cut for the store. */
  chunkBytes: 256 * 1024,
} as const;
