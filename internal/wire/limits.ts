// Every number that both ends of the agent channel agree on, each with its unit and its reason.

const KiB = 1024;
const MiB = 1024 * KiB;

export const limits = {
  /** Below 16 KiB protobuf framing costs too much, above 32 KiB nothing is gained. */
  maxDataBytes: 32 * KiB,
  /** An OPEN holds at most a URL of 8 KiB, headers of 64 KiB and this body. */
  maxInlineBodyBytes: 16 * KiB,
  maxFrameBytes: 128 * KiB,

  /** A stream's window bounds the memory that a slow reader costs. */
  initialStreamWindowBytes: 256 * KiB,
  maxStreamWindowBytes: 4 * MiB,
  /** What a new stream gets while the process is short of buffer memory. */
  frugalStreamWindowBytes: 64 * KiB,
  /** The connection's window bounds the queue on the home's uplink. */
  initialConnectionWindowBytes: 256 * KiB,
  maxConnectionWindowBytes: 8 * MiB,
  /** All stream buffers of a process, unless a setting says otherwise. */
  bufferBudgetBytes: 256 * MiB,

  /** Handed to the socket and not yet taken by the kernel: beyond it, what is urgent would wait behind bulk. */
  socketBufferBytes: 64 * KiB,
  /** PONG, CREDIT, RESET and heads that wait for the socket; more means the other end does not read. */
  maxControlQueueBytes: 2 * MiB,
  /** Ids of streams that this end reset, kept to tell late frames from lies. */
  maxRememberedResets: 1024,

  busyPingMs: 5_000,
  idlePingMs: 15_000,
  /** Idle pings spread over +-20 %, so that a pod's agents do not answer in step. */
  idlePingSpread: 0.2,
  /** Pings in a row at the start, each after the answer to the one before: what is the round trip when nothing queues? */
  firstPings: 3,
  busyDeadMs: 10_000,
  idleDeadMs: 40_000,

  /** DNS, TCP, TLS and the upgrade together. */
  dialTimeoutMs: 10_000,
  helloTimeoutMs: 5_000,
  closeTimeoutMs: 5_000,

  /** RTTs below this are noise of the event loop, not distance. */
  minMeasurableRttMs: 5,

  maxStreamsPerConnection: 1024,
  maxExitsPerAgent: 256,
  maxLabelsPerExit: 32,

  maxUrlBytes: 8 * KiB,
  maxHeaders: 256,
  maxHeaderBytes: 64 * KiB,
  maxUnaryBodyBytes: 16 * MiB,
  maxRedirects: 20,
  defaultRedirects: 10,
} as const;
