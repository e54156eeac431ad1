// The registry of one pod, with real clients of Redis and made-up connections of agents. Stands in for a pod where only
// its part in the fleet matters: several of them in one process are a fleet.
import { randomBytes } from 'node:crypto';
import { pino } from 'pino';
import { type Clock, systemClock } from '../../internal/kit/clock.ts';
import { FleetView } from '../../internal/orchestrator/registry/fleet-view.ts';
import { MemoryRegistry } from '../../internal/orchestrator/registry/memory-registry.ts';
import type { RemotePod } from '../../internal/orchestrator/registry/pods.ts';
import { type RegistryKeys, registryKeys } from '../../internal/orchestrator/registry/redis-keys.ts';
import { RedisRegistry } from '../../internal/orchestrator/registry/redis-registry.ts';
import { scripts } from '../../internal/orchestrator/registry/redis-scripts.ts';
import type { FleetConnection, FleetListener, Rival } from '../../internal/orchestrator/registry/registry.ts';
import { connection } from '../../internal/orchestrator/registry/registry-suite.ts';
import { TestClient } from './redis-client.ts';
import { until } from './waiting.ts';

export interface RegistryPodOptions {
  readonly url: string;
  readonly podId: string;
  readonly clock?: Clock;
  readonly keyPrefix?: string;
}

type Made = ReturnType<typeof connection>;

export class RegistryPod implements FleetListener {
  readonly podId: string;
  readonly registry: RedisRegistry;
  readonly memory: MemoryRegistry;
  readonly fleet = new FleetView();
  readonly localFleet = new FleetView();
  /** Every other pod that is there. */
  readonly pods = new Set<RemotePod>();
  readonly logged: string[] = [];
  /** What was said of newer connections elsewhere, as `CONNECTION POD`. */
  readonly rivals: string[] = [];
  readonly lags: number[] = [];
  commands = 0;
  /** The connections of this pod that are open. */
  readonly open = new Map<string, Made>();
  readonly #clients: readonly [TestClient, TestClient];
  readonly #keys: RegistryKeys;
  #parted: 'no' | 'changes' | 'all' = 'no';

  constructor({ url, podId, clock = systemClock, keyPrefix = 'rp' }: RegistryPodOptions) {
    this.podId = podId;
    this.#keys = registryKeys(keyPrefix);
    this.memory = new MemoryRegistry({ podId, fleet: this.fleet, localFleet: this.localFleet });
    const [request, follower] = [new TestClient(url), new TestClient(url, 'follower')];
    this.#clients = [request, follower];
    this.registry = new RedisRegistry({
      redis: {
        run: (script, keys, args) => this.#counted('commands', () => request.redis.run(script, keys, args)),
      },
      stream: { call: (command, args) => this.#counted('changes', () => follower.redis.call(command, args)) },
      keyPrefix,
      podId,
      version: '0.1.0',
      memory: this.memory,
      clock,
      random: Math.random,
      newToken: () => randomBytes(6).toString('hex'),
      log: pino({ level: 'info' }, { write: (line: string) => void this.logged.push(line) }),
      onLag: (ms) => void this.lags.push(ms),
    });
    this.registry.listen(this);
    this.registry.listenPods({
      podJoined: (pod) => {
        pod.linked = true;
        this.pods.add(pod);
      },
      podLeft: (pod) => void this.pods.delete(pod),
    });
    this.registry.start(`127.0.0.1:${1000 + Number(podId.replace(/\D/g, ''))}`);
  }

  static async up(options: RegistryPodOptions): Promise<RegistryPod> {
    const pod = new RegistryPod(options);
    await until(`${options.podId} knows the fleet`, () => pod.registry.check() === undefined);
    return pod;
  }

  /** An agent is welcomed here; another connection of its name on this pod ends, as the channel sees to. */
  connect(agentId: string, given: Partial<FleetConnection> = {}): Made {
    const connectionId = randomBytes(9).toString('base64url');
    const epoch = Math.max(Date.now() * 1000, this.registry.newestEpoch(agentId) + 1);
    const made = connection({ connectionId, agentId, podId: this.podId, epoch, ...given });
    for (const other of [...this.open.values()]) {
      if (other.agentId === agentId && !other.draining) this.disconnect(other.connectionId);
    }
    this.open.set(connectionId, made);
    this.registry.put(made);
    return made;
  }

  disconnect(connectionId: string): void {
    this.open.delete(connectionId);
    this.registry.remove(connectionId);
  }

  ranked(ranked: FleetConnection, epoch: number): void {
    const made = this.open.get(ranked.connectionId);
    if (made) made.epoch = epoch;
  }

  /** As the channel does for another program of the same name. */
  newerElsewhere(older: FleetConnection, rival: Rival): void {
    this.rivals.push(`${older.connectionId} ${rival.podId}`);
    if (older.instanceId !== rival.instanceId || !older.draining) this.disconnect(older.connectionId);
  }

  /** How many changes Redis has. */
  async changes(): Promise<number> {
    const [changes] = (await this.#clients[0].redis.run(scripts.position, [this.#keys.meta], [])) as [number];
    return changes;
  }

  /** The connections that its view holds, in a form that can be compared. */
  view(): string[] {
    return this.memory
      .list('acme')
      .map(({ connectionId, agentId, podId, status, exits }) =>
        [connectionId, agentId, podId, status, ...exits.map(({ name, capacity }) => `${name}:${capacity}`)].join(' '),
      )
      .sort();
  }

  /** From now on it hears no changes; or it hears and says nothing, as a pod that was killed or frozen. */
  part(from: 'changes' | 'all' = 'all'): void {
    this.#parted = from;
  }

  rejoin(): void {
    this.#parted = 'no';
  }

  async close(): Promise<void> {
    await this.registry.stop();
    await Promise.all(this.#clients.map((client) => client.close()));
  }

  async #counted(what: 'commands' | 'changes', send: () => Promise<unknown>): Promise<unknown> {
    const parted = () => this.#parted === 'all' || (this.#parted === 'changes' && what === 'changes');
    if (parted()) throw new Error('this pod is parted');
    this.commands++;
    const reply = await send();
    if (parted()) throw new Error('this pod is parted');
    return reply;
  }
}

/** Resolves when every view holds exactly the connections that are open. */
export async function agreed(pods: readonly RegistryPod[], boundMs = 15_000): Promise<void> {
  const wanted = () => pods.flatMap((pod) => [...pod.open.keys()]).sort();
  let last = '';
  const same = () =>
    pods.every((pod) => {
      const seen = pod.memory
        .list('acme')
        .map(({ connectionId }) => connectionId)
        .sort();
      const equal = seen.join() === wanted().join();
      if (!equal) last = `${pod.podId} sees ${seen.length} connections and not these ${wanted().length}`;
      return equal && pod.view().join() === pods[0]?.view().join();
    });
  await until('every view holds the connections that are open', same, boundMs).catch((error) => {
    throw new Error(`${error.message}: ${last}`);
  });
}
