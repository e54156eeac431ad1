// Every bound of callbacks, each with its unit and its reason.

const secondMs = 1_000;
const minuteMs = 60 * secondMs;
const hourMs = 60 * minuteMs;

export const callbackLimits = {
  /**
   * Pauses before each further delivery after one that failed: about three days in all. The schedule that the
   * Standard Webhooks specification gives as an example.
   */
  scheduleMs: [
    5 * secondMs,
    5 * minuteMs,
    30 * minuteMs,
    2 * hourMs,
    5 * hourMs,
    10 * hourMs,
    14 * hourMs,
    20 * hourMs,
    24 * hourMs,
  ],
  /** Deliveries do not come back in step. */
  jitter: 0.1,
  /** Name, connection, TLS and answer together. */
  timeoutMs: 15 * secondMs,
  /** A pod that dies in a delivery has it taken over. */
  leaseMs: minuteMs,
  maxRunning: 256,
  maxPerReceiver: 8,
  maxClaimed: 16,
  pollMs: 2 * secondMs,
  /** From the end of a job to a look at what is due: many ends share one. */
  hintMs: 50,
  /** While the store does not answer. */
  maxPauseMs: 10 * secondMs,
  /** What waits for a busy receiver comes back spread over so much for each that waits, and over no more than the most. */
  busyMs: 100,
  maxBusyMs: 30 * secondMs,
  /** Of an answer: it is read to its end and dropped. */
  maxAnswerBytes: 64 * 1024,
  maxSecrets: 4,
} as const;
