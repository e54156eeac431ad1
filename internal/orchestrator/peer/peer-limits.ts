// Every number that only the links between pods need, each with its unit and its reason.

const KiB = 1024;
const MiB = 1024 * KiB;

export const peerLimits = {
  /** HTTP/2's own windows: above the mux's largest and all that needs no credit, so that only credit throttles. */
  http2WindowBytes: 32 * MiB,
  /** What this pod takes on a link before it gives more credit: a fast line between machines of one cluster. */
  connectionWindowBytes: MiB,
  /** Jobs that one pod may have under way through another. */
  maxStreams: 8_192,
  /** Each of them may have a head or a request of 16 KiB waiting: much may, before it means that nobody reads. */
  maxControlQueueBytes: 64 * MiB,

  /** A dead pod must be noticed within the life of a job, and there are few pods: these pings cost nothing. */
  idlePingMs: 3_000,
  busyPingMs: 2_000,
  idleDeadMs: 8_000,
  busyDeadMs: 6_000,

  /** A TLS handshake, and from there to PEER_HELLO: together below 6 s. */
  handshakeTimeoutMs: 2_500,
  greetingTimeoutMs: 3_000,
  /** The dialling pod's deadline for both. */
  dialTimeoutMs: 5_000,
  /** Connections that have not said PEER_HELLO yet, and all of them; more are cut at once. */
  maxHandshakes: 128,
  maxConnections: 2_048,
  maxHeaderPairs: 32,

  /** Refused attempts of one address, and after how long one is forgiven. */
  failureBurst: 10,
  failureForgivenMs: 6_000,

  /** Full jitter between these; starts again after a link has stood for some time. */
  reconnectBaseMs: 100,
  reconnectMaxMs: 5_000,
  stableAfterMs: 10_000,

  /** For an answer to an order. */
  orderTimeoutMs: 5_000,
  /** How often a link that ends asks whether its streams are over. */
  drainCheckMs: 100,
  /** What may still run through a pod that gave up its lease; as long as the longest job. */
  leaveGraceMs: 3_600_000,
  /** How long a closing listener waits for the last words. */
  closeLingerMs: 1_000,

  minTokenChars: 16,
  maxTokenChars: 1_024,
  /** Tokens in a file: the next one and the last ones, while they are being changed. */
  maxTokens: 4,
} as const;
