// Every bound of a durable job, each with its unit and its reason. Intake refuses what goes beyond; the stores check once
// more what would cost them memory.

const KiB = 1024;
const MiB = 1024 * KiB;
const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;

export const jobLimits = {
  /** A body of 16 MiB, a URL, headers and what the caller asks of the exit. */
  maxSpecBytes: 16 * MiB + 256 * KiB,
  /** A method, a URL and a caller. */
  maxAboutBytes: 10 * KiB,
  /** Where a callback goes, and how it is signed. */
  maxCallbackBytes: 16 * KiB,
  /** Status, headers, exit and timings of an answer. */
  maxResultMetaBytes: 128 * KiB,
  /** A body is kept in pieces, so that no single command holds a store up. */
  maxChunkBytes: 256 * KiB,
  maxResultBytes: 16 * MiB,
  /** Pieces may be smaller than the largest, as they came from the agent. */
  maxChunks: 1_024,
  maxLabels: 16,
  maxLabelBytes: 256,
  maxKeyBytes: 256,
  maxDetailBytes: 1 * KiB,

  maxPriority: 9,
  /** Bounds the events and the attempts that a record carries. */
  maxAttempts: 10,
  /** How often it is told that a job was marked as sent and was not sent after all; after that it only happens. */
  maxTakenBackTold: 32,
  maxDelayMs: 30 * dayMs,
  /** The delay and the waiting after it. */
  maxQueueMs: 60 * dayMs,
  maxKeepMs: 30 * dayMs,
  keyTtlMs: dayMs,
  /** Bytes that go by themselves outlive their job by this: an attempt takes time, and so does a sweep. */
  bytesGraceMs: dayMs,

  /** What one command may touch, so that none holds a store up. */
  maxClaimed: 64,
  maxLeasesRenewed: 1_000,
  maxSwept: 200,
  maxListed: 100,
  maxEventsListed: 100,
  /** A page looks at no more jobs than these; it may be short and still have a next one. */
  maxScanned: 1_000,
  maxParkedTargetsListed: 1_000,

  /** Unless a setting says otherwise. */
  maxOpenPerTenant: 1_000_000,
  maxParkedPerTarget: 10_000,
  /** Jobs that a tenant gets in a row while others wait. */
  tenantBatch: 8,
} as const;

/** What an operator may set; the same for every pod of one store. */
export interface JobSettings {
  /** Jobs of a tenant that have not ended; one more is refused. */
  readonly maxOpenPerTenant: number;
  readonly maxParkedPerTarget: number;
  readonly tenantBatch: number;
}

export const defaultJobSettings: JobSettings = {
  maxOpenPerTenant: jobLimits.maxOpenPerTenant,
  maxParkedPerTarget: jobLimits.maxParkedPerTarget,
  tenantBatch: jobLimits.tenantBatch,
};
