// Every number that the registry shared by many pods needs, each with its unit and its reason.

export const registryLimits = {
  /** One renewal per pod and second, whatever it holds. */
  beatMs: 1_000,
  /** Three renewals may fail before the others take a pod for dead. */
  leaseMs: 4_000,

  /** Registrations in flight at once; the rest waits, one entry per connection. */
  publishBatch: 256,
  /** A connection that changes all the time is told so often at most. */
  updateIntervalMs: 250,
  /** After a failed round; the next ones wait longer, up to the second number. */
  retryMinMs: 100,
  retryMaxMs: 2_000,

  /** Changes that Redis keeps for pods that lag; about 20 MB. Whoever falls further behind reads everything again. */
  keptChanges: 32_768,
  readCount: 512,
  /** How long Redis holds a read that has nothing to say; so long it may take to notice that all must be read again. */
  readBlockMs: 1_000,
  /** Connections per step of a snapshot: some milliseconds of Redis and of this pod. */
  pageSize: 500,

  /** Fields of a dead pod that one step deletes, and the steps after one renewal. */
  reapFields: 500,
  reapSteps: 50,

  /** How long a look for one agent may take. */
  refreshMs: 500,

  /** What another pod wrote is read up to this size: a frame of an agent is smaller. */
  maxRecordChars: 1_048_576,
} as const;
