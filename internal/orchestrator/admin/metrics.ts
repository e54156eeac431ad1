// Every metric of the orchestrator, with the names that dashboards rely on. The rooms get narrow observers whose
// methods cost well under a microsecond; what a scrape can count for itself is counted by the scrape. Units are seconds
// and bytes, and no label grows without bound.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { AgentRecord, AgentStatus } from '../registry/agents.ts';
import { CallbackMetrics, QueueMetrics } from './queue-metrics.ts';

export interface MetricsOptions {
  /** The whole fleet, whoever may use it; read at each scrape. */
  readonly agents: () => Iterable<AgentRecord>;
  /** Names of the reset codes of the agent channel; any other is counted as `other`. */
  readonly resetNames: ReadonlyMap<number, string>;
  /** Bytes that streams hold now, as the buffer budget counts them. */
  readonly streamBytes: () => number;
  /** Whether Redis answers; undefined when there is none. */
  readonly redisUp?: (() => boolean) | undefined;
}

type CounterChild = ReturnType<Counter['labels']>;
type HistogramChild = ReturnType<Histogram['labels']>;

const agentStates: readonly AgentStatus[] = ['available', 'busy', 'draining'];
const jobBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const rttBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const redisBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10];
/** Between machines of one cluster. */
const peerRttBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
const lagBuckets = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

export class Metrics {
  readonly #registry = new Registry();
  readonly jobs: JobMetrics;
  readonly attempts: AttemptMetrics;
  readonly channel: ChannelMetrics;
  readonly peers: PeerMetrics;
  readonly loop: LoopMetrics;
  readonly queue: QueueMetrics;
  readonly callbacks: CallbackMetrics;
  /** There is one without Redis too, which nobody tells anything. */
  readonly redis: RedisMetrics;

  constructor({ agents, resetNames, streamBytes, redisUp }: MetricsOptions) {
    this.jobs = new JobMetrics(this.#registry);
    this.attempts = new AttemptMetrics(this.#registry);
    this.channel = new ChannelMetrics(this.#registry, resetNames);
    this.peers = new PeerMetrics(this.#registry);
    this.loop = new LoopMetrics(this.#registry);
    this.queue = new QueueMetrics(this.#registry);
    this.callbacks = new CallbackMetrics(this.#registry);
    this.redis = new RedisMetrics(this.#registry, redisUp);
    countFleet(this.#registry, agents);
    readAtScrape(this.#registry, 'resproxy_stream_buffered_bytes', 'Bytes that streams hold now.', streamBytes);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  page(): Promise<string> {
    return this.#registry.metrics();
  }
}

/** What the doors tell of jobs. `code` is a failure code or OK. */
export class JobMetrics {
  readonly #total: (door: string, code: string) => CounterChild;
  readonly #duration: (door: string) => HistogramChild;
  #inFlight = 0;

  constructor(registry: Registry) {
    const total = new Counter({
      name: 'resproxy_jobs_total',
      help: 'Jobs that ended, those refused included.',
      labelNames: ['door', 'code'],
      registers: [registry],
    });
    const duration = new Histogram({
      name: 'resproxy_job_duration_seconds',
      help: 'From receipt of a job to its end; refused jobs are left out.',
      labelNames: ['door'],
      buckets: jobBuckets,
      registers: [registry],
    });
    readAtScrape(registry, 'resproxy_jobs_in_flight', 'Jobs that run now.', () => this.#inFlight);
    this.#total = childOf2((door, code) => total.labels(door, code));
    this.#duration = childOf((door) => duration.labels(door));
  }

  started(): void {
    this.#inFlight++;
  }

  finished(door: string, code: string, ms: number): void {
    this.#inFlight--;
    this.#total(door, code).inc();
    this.#duration(door).observe(ms / 1000);
  }

  /** The job never started: its caller was not known, not allowed, or over a limit. */
  refused(door: string, code: string): void {
    this.#total(door, code).inc();
  }
}

/** What dispatch tells of attempts. `code` is a failure code or OK. */
export class AttemptMetrics {
  readonly #total: (code: string) => CounterChild;

  constructor(registry: Registry) {
    const total = new Counter({
      name: 'resproxy_attempts_total',
      help: 'Tries of jobs on exits.',
      labelNames: ['code'],
      registers: [registry],
    });
    this.#total = childOf((code) => total.labels(code));
  }

  finished(code: string): void {
    this.#total(code).inc();
  }
}

/** What the connections to agents tell; the methods are those of a mux's observer. */
export class ChannelMetrics {
  readonly #resetNames: ReadonlyMap<number, string>;
  readonly #rtt: Histogram;
  readonly #resets: (code: string, by: string) => CounterChild;
  readonly #blockedSeconds = new Map<string, number>();
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(registry: Registry, resetNames: ReadonlyMap<number, string>) {
    this.#resetNames = resetNames;
    this.#rtt = new Histogram({
      name: 'resproxy_heartbeat_rtt_seconds',
      help: 'Round trips of heartbeats to agents.',
      buckets: rttBuckets,
      registers: [registry],
    });
    const resets = new Counter({
      name: 'resproxy_resets_total',
      help: 'Streams that were reset, by this pod (us) or by the agent (peer).',
      labelNames: ['code', 'by'],
      registers: [registry],
    });
    this.#resets = childOf2((code, by) => resets.labels(code, by));
    summed(registry, 'resproxy_bytes_total', 'Bytes of frames to (out) and from (in) agents.', 'direction', () => [
      ['in', this.#bytesIn],
      ['out', this.#bytesOut],
    ]);
    const blocked = 'Time that senders waited for credit of a stream, of the connection, or for the socket.';
    summed(registry, 'resproxy_channel_blocked_seconds_total', blocked, 'level', () => this.#blockedSeconds);
  }

  bytes(direction: 'in' | 'out', bytes: number): void {
    if (direction === 'in') this.#bytesIn += bytes;
    else this.#bytesOut += bytes;
  }

  rtt(ms: number): void {
    this.#rtt.observe(ms / 1000);
  }

  reset(code: number, by: 'us' | 'peer'): void {
    this.#resets(this.#resetNames.get(code) ?? 'other', by).inc();
  }

  blocked(level: 'stream' | 'connection' | 'socket', ms: number): void {
    this.#blockedSeconds.set(level, (this.#blockedSeconds.get(level) ?? 0) + ms / 1000);
  }
}

/** What the links between pods tell; a mux's observer too. A reset of a relayed stream is counted where its agent is. */
export class PeerMetrics {
  readonly #rtt: Histogram;
  readonly #blockedSeconds = new Map<string, number>();
  #links = 0;
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(registry: Registry) {
    readAtScrape(registry, 'resproxy_peer_links', 'Other pods that this one can relay jobs to.', () => this.#links);
    this.#rtt = new Histogram({
      name: 'resproxy_peer_rtt_seconds',
      help: 'Round trips of heartbeats to other pods.',
      buckets: peerRttBuckets,
      registers: [registry],
    });
    summed(registry, 'resproxy_peer_bytes_total', 'Bytes of frames to (out) and from (in) pods.', 'direction', () => [
      ['in', this.#bytesIn],
      ['out', this.#bytesOut],
    ]);
    const blocked = 'Time that relaying waited for credit of a stream, of the link, or for the socket.';
    summed(registry, 'resproxy_peer_blocked_seconds_total', blocked, 'level', () => this.#blockedSeconds);
  }

  linkUp(): void {
    this.#links++;
  }

  linkDown(): void {
    this.#links--;
  }

  bytes(direction: 'in' | 'out', bytes: number): void {
    if (direction === 'in') this.#bytesIn += bytes;
    else this.#bytesOut += bytes;
  }

  rtt(ms: number): void {
    this.#rtt.observe(ms / 1000);
  }

  reset(): void {}

  blocked(level: 'stream' | 'connection' | 'socket', ms: number): void {
    this.#blockedSeconds.set(level, (this.#blockedSeconds.get(level) ?? 0) + ms / 1000);
  }
}

/** How late the event loop was, sample by sample. */
export class LoopMetrics {
  readonly #lag: Histogram;

  constructor(registry: Registry) {
    this.#lag = new Histogram({
      name: 'resproxy_event_loop_lag_seconds',
      help: 'How late a timer of the event loop fired, five samples a second.',
      buckets: lagBuckets,
      registers: [registry],
    });
  }

  sample(lagMs: number): void {
    this.#lag.observe(lagMs / 1000);
  }
}

/** What the clients of Redis tell. `kind` is a script or a command; both come from the code. */
export class RedisMetrics {
  readonly #total: (kind: string, outcome: string) => CounterChild;
  readonly #duration: (kind: string) => HistogramChild;
  #reconnects = 0;

  constructor(registry: Registry, up: (() => boolean) | undefined) {
    const total = new Counter({
      name: 'resproxy_redis_commands_total',
      help: 'Commands and scripts by how they ended: OK, REFUSED, UNSENT (Redis was down), UNKNOWN (no answer).',
      labelNames: ['kind', 'outcome'],
      registers: [registry],
    });
    const duration = new Histogram({
      name: 'resproxy_redis_command_duration_seconds',
      help: 'From sending a command to its answer or its failure; unsent ones are left out.',
      labelNames: ['kind'],
      buckets: redisBuckets,
      registers: [registry],
    });
    this.#total = childOf2((kind, outcome) => total.labels(kind, outcome));
    this.#duration = childOf((kind) => duration.labels(kind));
    const reconnects = 'Times that a client of Redis was connected again after its connection was lost.';
    countAtScrape(registry, 'resproxy_redis_reconnects_total', reconnects, () => this.#reconnects);
    if (up) readAtScrape(registry, 'resproxy_redis_up', 'Whether Redis answers, 1 or 0.', () => Number(up()));
  }

  command(kind: string, outcome: string, ms: number): void {
    this.#total(kind, outcome).inc();
    if (outcome !== 'UNSENT') this.#duration(kind).observe(ms / 1000);
  }

  reconnected(): void {
    this.#reconnects++;
  }
}

function countFleet(registry: Registry, agents: MetricsOptions['agents']): void {
  new Gauge({
    name: 'resproxy_agents',
    help: 'Connected agents.',
    labelNames: ['state'],
    registers: [registry],
    collect() {
      this.reset();
      for (const state of agentStates) this.set({ state }, 0);
      for (const { status } of agents()) this.inc({ state: status });
    },
  });
  new Gauge({
    name: 'resproxy_exits',
    help: 'Exits of connected agents; the country is ISO 3166-1 alpha-2, or `other`.',
    labelNames: ['state', 'country'],
    registers: [registry],
    collect() {
      this.reset();
      for (const { exits } of agents())
        for (const { state, country } of exits) this.inc({ state, country: countryLabel(country) });
    },
  });
}

/** An agent may claim any text to be its country; two letters are at most 676. */
function countryLabel(country: string): string {
  return /^[A-Z]{2}$/.test(country) ? country : 'other';
}

/** A gauge whose value is kept elsewhere, and read at each scrape. */
function readAtScrape(registry: Registry, name: string, help: string, read: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(read());
    },
  });
}

/** A counter whose sum is kept elsewhere, as a plain number, and read at each scrape. */
function countAtScrape(registry: Registry, name: string, help: string, read: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(read());
    },
  });
}

/** A counter with one label whose sums are kept elsewhere, as plain numbers, and read at each scrape. */
function summed(registry: Registry, name: string, help: string, label: string, sums: () => Iterable<[string, number]>) {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, sum] of sums()) this.inc({ [label]: value }, sum);
    },
  });
}

/** Remembers the child of a metric by its label; the labels come from closed lists. */
function childOf<C>(make: (label: string) => C): (label: string) => C {
  const children = new Map<string, C>();
  return (label) => {
    const known = children.get(label);
    if (known !== undefined) return known;
    const child = make(label);
    children.set(label, child);
    return child;
  };
}

function childOf2<C>(make: (first: string, second: string) => C): (first: string, second: string) => C {
  const byFirst = childOf((first) => childOf((second) => make(first, second)));
  return (first, second) => byFirst(first)(second);
}
