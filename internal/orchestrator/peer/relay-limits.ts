// Every number that only relaying needs, each with its unit and its reason.

export const relayLimits = {
  /** Ids of jobs are made by pods: 36 characters today. */
  maxJobIdChars: 128,
  /** A job has 3 attempts, each of which another pod may move once. */
  maxTriedExits: 64,
  /**
   * How long after its deadline a relayed job is ended here. The pod that has the job ends it on time, and so does the
   * agent: this is for the day when neither does.
   */
  overdueMs: 1_000,
} as const;
