// What a pod among others counts besides its own work: Redis, the registry in it, the links between pods, and the jobs
// that cross them.
import { Counter, Histogram, type Registry } from 'prom-client';
import type { RegistryFigures } from '../registry/redis-registry.ts';
import { childOf, childOf2, countAtScrape, readAtScrape, summed } from './instruments.ts';

type CounterChild = ReturnType<Counter['labels']>;
type HistogramChild = ReturnType<Histogram['labels']>;

const redisBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10];
/** Between machines of one cluster. */
const peerRttBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5];
/** From a change in Redis until it is in the view. */
const changeBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30];

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

/** Jobs that were sent to another pod and what came of them, and those that others sent here. */
export class RelayMetrics {
  readonly #total: (result: string) => CounterChild;

  constructor(registry: Registry) {
    const total = new Counter({
      name: 'resproxy_relay_total',
      help: 'Jobs sent to other pods and how that ended: sent, answered, busy, not_here, lost; and served for others.',
      labelNames: ['result'],
      registers: [registry],
    });
    this.#total = childOf((result) => total.labels(result));
  }

  relayed(result: string): void {
    this.#total(result).inc();
  }
}

/** How well this pod knows the fleet; all zero for a pod that is alone. */
export class RegistryMetrics {
  readonly #lag: Histogram;
  #figures: (() => RegistryFigures) | undefined;

  constructor(registry: Registry) {
    this.#lag = new Histogram({
      name: 'resproxy_registry_change_lag_seconds',
      help: 'From a change in Redis until it was in the view of this pod.',
      buckets: changeBuckets,
      registers: [registry],
    });
    const read = (name: string, help: string, value: (figures: RegistryFigures) => number) =>
      readAtScrape(registry, name, help, () => (this.#figures ? value(this.#figures()) : 0));
    const agents = 'Connections of agents to other pods that this pod knows.';
    read('resproxy_registry_remote_agents', agents, ({ remoteAgents }) => remoteAgents);
    read('resproxy_registry_remote_exits', 'Exits of those.', ({ remoteExits }) => remoteExits);
    const stale = 'For how long this pod may have missed a change of the fleet; -1 before it was read once.';
    read('resproxy_registry_staleness_seconds', stale, ({ staleSeconds }) => staleSeconds ?? -1);
    const queue = 'Changes of this pod that Redis does not have yet.';
    read('resproxy_registry_unpublished', queue, ({ publishQueue }) => publishQueue);
    const snapshots = 'Times that the whole fleet was read.';
    countAtScrape(registry, 'resproxy_registry_snapshots_total', snapshots, () => this.#figures?.().snapshots ?? 0);
  }

  read(figures: () => RegistryFigures): void {
    this.#figures = figures;
  }

  changeSeen(ms: number): void {
    this.#lag.observe(ms / 1000);
  }
}
