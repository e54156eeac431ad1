// Every metric of the orchestrator, with the names that dashboards rely on. The rooms get narrow observers whose
// methods cost well under a microsecond; what a scrape can count for itself is counted by the scrape. Units are seconds
// and bytes, and no label grows without bound.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { DoorwayCounts } from '../../kit/doorway.ts';
import type { AgentRecord, AgentStatus } from '../registry/agents.ts';
import { PeerMetrics, RedisMetrics, RegistryMetrics, RelayMetrics } from './fleet-metrics.ts';
import { childOf, childOf2, readAtScrape, summed } from './instruments.ts';
import { CallbackMetrics, QueueMetrics } from './queue-metrics.ts';
import { TokenMetrics } from './token-metrics.ts';

export interface MetricsOptions {
  /** Those connected to this pod, whoever may use them; read at each scrape. */
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
  readonly tokens: TokenMetrics;
  // Those of a pod among others are there without Redis too, and nobody tells them anything.
  readonly redis: RedisMetrics;
  readonly registry: RegistryMetrics;
  readonly relay: RelayMetrics;

  constructor({ agents, resetNames, streamBytes, redisUp }: MetricsOptions) {
    this.jobs = new JobMetrics(this.#registry);
    this.attempts = new AttemptMetrics(this.#registry);
    this.channel = new ChannelMetrics(this.#registry, resetNames);
    this.peers = new PeerMetrics(this.#registry);
    this.loop = new LoopMetrics(this.#registry);
    this.queue = new QueueMetrics(this.#registry);
    this.callbacks = new CallbackMetrics(this.#registry);
    this.tokens = new TokenMetrics(this.#registry);
    this.redis = new RedisMetrics(this.#registry, redisUp);
    this.registry = new RegistryMetrics(this.#registry);
    this.relay = new RelayMetrics(this.#registry);
    countFleet(this.#registry, agents);
    readAtScrape(this.#registry, 'resproxy_stream_buffered_bytes', 'Bytes that streams hold now.', streamBytes);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** By door; the doors are built after this, which they tell of jobs. */
  countConnections(doors: Readonly<Record<string, DoorwayCounts>>): void {
    countDoors(this.#registry, doors);
  }

  /** Of keys that come over a wire: how old what is known of them may be. */
  followKeys(source: { readonly stalenessSeconds?: number }): void {
    if (source.stalenessSeconds === undefined) return;
    const help = 'Since the source of keys last said anything; the keys that are known stay.';
    readAtScrape(this.#registry, 'resproxy_keys_staleness_seconds', help, () => source.stalenessSeconds ?? 0);
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

function countDoors(registry: Registry, doors: Readonly<Record<string, DoorwayCounts>>): void {
  new Gauge({
    name: 'resproxy_connections',
    help: 'Open connections: known once a caller or an agent has proven who it is, strangers before that.',
    labelNames: ['door', 'state'],
    registers: [registry],
    collect() {
      for (const [door, { known, strangers }] of Object.entries(doors)) {
        this.set({ door, state: 'known' }, known);
        this.set({ door, state: 'stranger' }, strangers);
      }
    },
  });
  new Counter({
    name: 'resproxy_connections_cut_total',
    help: 'Connections ended by this pod: overdue, too many of one address, a crowd of strangers, a full door.',
    labelNames: ['door', 'reason'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [door, { cuts }] of Object.entries(doors))
        for (const [reason, count] of Object.entries(cuts)) this.inc({ door, reason }, count);
    },
  });
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
