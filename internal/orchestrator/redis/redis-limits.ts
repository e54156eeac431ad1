// Every number of the connections to Redis, each with its unit and its reason.

export const redisLimits = {
  /** A request is answered in a millisecond or two; after this its caller goes on without Redis. */
  commandTimeoutMs: 1_500,
  /** A connection that owes an answer for so long is given up: its peer is frozen, or gone without a word. */
  requestSilenceMs: 3_000,
  /** How long a follower may ask Redis to wait for news (XREAD BLOCK). */
  maxBlockMs: 5_000,
  /** The longest wait, and what a slow network adds. */
  followerSilenceMs: 8_000,
  /** TCP and TLS. */
  connectTimeoutMs: 3_000,
  /** How long a connection that we end may linger before it is cut. */
  disconnectTimeoutMs: 500,
  /** Reconnecting goes on for ever, at rand(0, min(max, base * 2^tries)). */
  reconnectBaseMs: 100,
  reconnectMaxMs: 3_000,
  /** How often a server that loads its data from disk is asked again. */
  loadingPollMs: 1_000,
  /** Where the slots of a Cluster are is asked this often, and when a node says MOVED. */
  slotsRefreshMs: 5_000,
  /** MOVED and ASK that one command follows: a slot that moves takes two. */
  maxRedirections: 4,
  /** How long closing waits for the last bytes. */
  closeBoundMs: 1_000,
  /** Of a sentence from Redis in an error or a log line. */
  maxFaultLength: 300,
  /** How often a server whose settings would lose data is looked at again. */
  recheckMs: 5_000,
} as const;
