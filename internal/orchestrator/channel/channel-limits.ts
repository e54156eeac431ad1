// Every number that only the pod's side of the agent channel needs, each with its unit and its reason.

export const channelLimits = {
  /**
   * A TLS handshake, or the head of the upgrade from its first byte: honest agents need a second. For both together the
   * doorway's time is the bound.
   */
  handshakeTimeoutMs: 3_500,
  /** How often overdue heads are looked for. */
  overdueCheckMs: 500,
  /** An upgrade's head: a key, a subprotocol and what proxies add. */
  maxUpgradeHeadBytes: 8 * 1024,
  /**
   * Connections that have not shown a key yet. A quarter of the room for one address: behind one of a carrier live a
   * few hundred homes, each here for a second. The bound on agents is kept where they are told to try another pod.
   */
  doorway: {
    maxKnown: Number.POSITIVE_INFINITY,
    maxStrangers: 2_048,
    maxStrangersPerAddress: 512,
    askWithinMs: 4_000,
  },
  /** Connections that the kernel holds while a crowd of agents returns. */
  acceptBacklog: 4_096,
  /** Agents of one pod, unless a setting says otherwise. */
  maxConnections: 20_000,
  /** How long closing listeners wait for the last close frames. */
  closeLingerMs: 1_000,

  /** Refused keys of one address, and after how long one is forgiven: enough for a person who mistypes. */
  failureBurst: 10,
  failureForgivenMs: 6_000,
  maxFailingAddresses: 10_000,
  /** What a refused key is told to wait: trying again changes nothing. */
  refusedRetryAfterS: 60,
  /** What an agent is told to wait when it comes at a bad moment, spread so that a crowd does not return together. */
  busyRetryAfterS: 5,

  /** DRAIN goes to the agents of a pod in steps of this size. */
  drainStepMs: 100,
  /** An agent's own grace is believed up to this. */
  maxAgentGraceMs: 600_000,

  /**
   * So many instances of one agent id that replace each other within the window are two programs with one name. Each
   * waits one to five minutes before it is back, and each of several pods sees only a part of it.
   */
  flapCount: 4,
  flapWindowMs: 3_600_000,
  maxFlapAgents: 10_000,

  /** Tenants whose isolation key a connection remembers. */
  maxIsolationKeys: 64,
} as const;
