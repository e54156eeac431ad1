// Every bound of a durable job that a caller can meet, beyond those of any job (validate/bounds.ts).

const secondMs = 1_000;
const dayMs = 24 * 60 * 60 * secondMs;

export const durableBounds = {
  maxPriority: 9,
  defaultPriority: 5,
  maxDelayMs: 30 * dayMs,
  minQueueMs: secondMs,
  maxQueueMs: 30 * dayMs,
  defaultQueueMs: dayMs,
  maxLabels: 16,
  maxRetryStatuses: 20,
  maxCallbackUrlBytes: 2048,
  /** How long an idempotency key is remembered. */
  keyTtlMs: dayMs,
  defaultPageSize: 20,
  maxPageSize: 100,
  /** Jobs of one SubmitJobs. */
  maxBatch: 100,
  /** Open jobs that one WatchJobs follows. */
  maxWatched: 1_000,
} as const;
