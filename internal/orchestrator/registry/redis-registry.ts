// The fleet of many pods that share one Redis. What this pod holds is in its memory at once and in Redis soon after;
// what others hold comes into the same memory. Nobody on the path of a job waits for Redis, and while Redis is away the
// memory stays as it is.
import type { Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { RedisCommands } from '../redis/redis-client.ts';
import { AgentLook } from './agent-look.ts';
import { Follower } from './follower.ts';
import { type Beat, Lease } from './lease.ts';
import type { MemoryRegistry } from './memory-registry.ts';
import type { PodListener } from './pods.ts';
import { Publisher } from './publisher.ts';
import { Reaper } from './reaper.ts';
import { type RegistryKeys, registryKeys } from './redis-keys.ts';
import { scripts } from './redis-scripts.ts';
import type { FleetConnection, FleetListener, Registry, Rival } from './registry.ts';
import { registryLimits } from './registry-limits.ts';
import { RegistryLog } from './registry-log.ts';
import type { RemoteConnection } from './remote-connection.ts';
import { RemoteFleet } from './remote-fleet.ts';
import { ServerTime } from './server-time.ts';

export interface RedisRegistryOptions {
  /** The request client. */
  readonly redis: Pick<RedisCommands, 'run'>;
  /** The follower client, with nobody else on it. */
  readonly stream: Pick<RedisCommands, 'call'>;
  /** First part of every key. */
  readonly keyPrefix: string;
  readonly podId: string;
  readonly version: string;
  readonly memory: MemoryRegistry;
  readonly clock: Clock;
  readonly random: Random;
  /** Names that no other run of any pod has. */
  readonly newToken: () => string;
  readonly log: Logger;
  /** From the moment a change is in Redis until it is in this pod's view, in milliseconds. */
  readonly onLag: (ms: number) => void;
}

/** What metrics read at a scrape. */
export interface RegistryFigures {
  /** Connections of other pods, and their exits. */
  readonly remoteAgents: number;
  readonly remoteExits: number;
  /** For how long this pod may have missed something; undefined before the first snapshot. */
  readonly staleSeconds: number | undefined;
  readonly snapshots: number;
  readonly publishQueue: number;
}

export class RedisRegistry implements Registry {
  readonly #options: RedisRegistryOptions;
  readonly #keys: RegistryKeys;
  readonly #time: ServerTime;
  readonly #remote: RemoteFleet;
  readonly #lease: Lease;
  readonly #publisher: Publisher;
  readonly #follower: Follower;
  readonly #reaper: Reaper;
  readonly #look: AgentLook;
  readonly #log: RegistryLog;
  #listener: FleetListener | undefined;

  constructor(options: RedisRegistryOptions) {
    const { clock, keyPrefix, podId, memory, log, stream, onLag } = options;
    this.#options = options;
    this.#keys = registryKeys(keyPrefix);
    this.#time = new ServerTime(clock);
    this.#log = new RegistryLog(options);
    const onFault = (error: unknown) => this.#log.fault(error);
    const shared = { ...options, keys: this.#keys, onFault };
    this.#publisher = new Publisher({
      ...shared,
      onRanked: (connection, epoch) => this.#onRanked(connection, epoch),
      onRival: (connection, rival) => this.#onRival(connection, rival),
      onLapsed: () => void this.#lease.beat().catch(onFault),
    });
    this.#lease = new Lease({
      ...shared,
      confirmedWrite: () => this.#publisher.confirmedWrite,
      onSeat: (seat) => this.#publisher.moveTo(seat),
      onBeat: (beat) => this.#onBeat(beat),
      onFault: (error) => this.#log.away(error),
    });
    this.#remote = new RemoteFleet({
      podId,
      memory,
      clock,
      time: this.#time,
      log,
      onPut: (connection) => this.#onRemotePut(connection),
    });
    this.#follower = new Follower({
      ...shared,
      stream,
      time: this.#time,
      remote: this.#remote,
      beat: () => this.#lease.beat(),
      onLag,
    });
    this.#reaper = new Reaper(shared);
    this.#look = new AgentLook({ ...shared, remote: this.#remote, change: () => this.#follower.change });
  }

  get figures(): RegistryFigures {
    const { staleMs, snapshots } = this.#follower;
    return {
      remoteAgents: this.#remote.size,
      remoteExits: this.#remote.exits,
      staleSeconds: staleMs === undefined ? undefined : staleMs / 1000,
      snapshots,
      publishQueue: this.#publisher.depth,
    };
  }

  /** The number of the last change in the view; they rise by one until Redis loses them. */
  get change(): number {
    return this.#follower.change;
  }

  /** For readiness: unwell until the fleet has been read once, and well from then on. */
  readonly check = (): string | undefined =>
    this.#follower.snapshots === 0 ? 'the fleet has not been read from Redis yet' : undefined;

  listen(listener: FleetListener): void {
    this.#listener = listener;
  }

  listenPods(listener: PodListener): void {
    this.#remote.seats.listen(listener);
  }

  /** `address` is where other pods reach this one; empty when they cannot. */
  start(address: string): void {
    this.#lease.start(address);
    this.#follower.start();
  }

  /** The others learn that this pod goes away. */
  setDraining(): void {
    this.#lease.setDraining();
  }

  /** Gives up the lease, and clears away what it held. */
  async stop(): Promise<void> {
    const { redis } = this.#options;
    const { leases, meta, changes } = this.#keys;
    this.#publisher.stop();
    await Promise.all([this.#follower.stop(), this.#lease.stop()]);
    const { seat } = this.#lease;
    if (seat === undefined) return;
    try {
      await redis.run(scripts.leave, [leases, meta, changes], [seat, registryLimits.keptChanges]);
      await this.#reaper.clear(seat);
    } catch (error) {
      this.#log.fault(error);
    }
  }

  put(connection: FleetConnection): void {
    this.#options.memory.put(connection);
    this.#publisher.put(connection);
  }

  remove(connectionId: string): void {
    this.#options.memory.remove(connectionId);
    this.#publisher.remove(connectionId);
  }

  newestEpoch(agentId: string): number {
    return this.#options.memory.newestEpoch(agentId);
  }

  knows(agentId: string): boolean {
    return this.#options.memory.knows(agentId);
  }

  agentsOf(keyName: string): number {
    return this.#options.memory.agentsOf(keyName);
  }

  /**
   * Looks where an agent is now, for a job that did not find it: in Redis, or while Redis is away until the view tells.
   * Resolves when the view is as good as it gets, soon in any case.
   */
  refresh(agentId: string): Promise<void> {
    return this.#look.look(agentId);
  }

  #onBeat(beat: Beat): void {
    const { seat } = this.#lease;
    this.#time.sample(beat.nowMs);
    this.#log.heard(beat.leases, seat);
    this.#follower.heard(beat);
    this.#reaper.heard(beat.leases, seat);
  }

  #onRanked(connection: FleetConnection, epoch: number): void {
    const { memory } = this.#options;
    this.#listener?.ranked(connection, epoch);
    memory.reorder(connection);
    // The rival may have come here before the answer that ranks this one.
    for (const other of memory.connectionsOf(connection.agentId)) {
      if (other.epoch > epoch) this.#onRival(connection, other);
    }
  }

  #onRival(connection: FleetConnection, rival: Rival): void {
    if (rival.podId !== this.#options.podId) this.#listener?.newerElsewhere(connection, rival);
  }

  #onRemotePut(remote: RemoteConnection): void {
    const { agentId, epoch } = remote;
    for (const connection of this.#options.memory.connectionsOf(agentId)) {
      // One that the fleet has not ranked yet hears of its rivals from its registration.
      const own = this.#publisher.epochOf(connection.connectionId);
      if (own > 0 && own < epoch) this.#onRival(connection, remote);
    }
    this.#look.heard(agentId);
  }
}
