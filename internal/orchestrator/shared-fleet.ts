// What a pod has because there are others: the Redis that they share, the registry in it, the links between pods, and
// this pod's part of each limit. A pod that is alone has none of it.
import { randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { AgentOrderKind } from '../../gen/resproxy/v1/channel_pb.ts';
import { version } from '../kit/program.ts';
import type { AgentConnections } from './channel/agent-connections.ts';
import type { LinkDirectory } from './channel/link.ts';
import type { Ground } from './ground.ts';
import type { JobSettings } from './jobs/job-limits.ts';
import type { JobStore } from './jobs/job-store.ts';
import { openRedisJobStore } from './jobs/redis/redis-store.ts';
import { FleetShares } from './limits/fleet-shares.ts';
import { FleetControl } from './peer/fleet-control.ts';
import { FleetLinks } from './peer/fleet-links.ts';
import { formatAddress } from './peer/peer-address.ts';
import { type PeerConfig, PeerCredential } from './peer/peer-credential.ts';
import { PeerLinks } from './peer/peer-links.ts';
import { PeerServer } from './peer/peer-server.ts';
import { RelayIntake } from './peer/relay-intake.ts';
import { BootCheck } from './redis/boot-check.ts';
import type { RedisClient } from './redis/redis-client.ts';
import { redisClients } from './redis/redis-clients.ts';
import type { RedisUrl } from './redis/redis-url.ts';
import type { AgentControl } from './registry/agents.ts';
import type { PodListener, RemotePod } from './registry/pods.ts';
import { RedisRegistry } from './registry/redis-registry.ts';

export interface FleetConfig {
  readonly redis: RedisUrl;
  readonly redisPrefix: string;
  /** IP address at which other pods reach this one. */
  readonly podAddress: string;
  /** 0 lets the system choose. */
  readonly peerPort: number;
  readonly peer: PeerConfig;
}

/** What a shared fleet stands on, and where its peer port listens. */
export interface FleetMeans extends Ground {
  readonly bind: string;
}

/** The links between pods; a pod without a peer credential has none. */
interface Peers {
  readonly credential: PeerCredential;
  readonly links: PeerLinks;
  readonly server: PeerServer;
  readonly relay: RelayIntake;
}

/** Of the job store, over which a Cluster's nodes share the work; fixed for the life of a store. */
const clusterPartitions = 16;
/** Before this pod goes on without Redis, and says so. */
const firstAnswerMs = 2_000;

export class SharedFleet implements PodListener {
  readonly registry: RedisRegistry;
  readonly shares: FleetShares;
  readonly #config: FleetConfig;
  readonly #means: FleetMeans;
  readonly #requests: RedisClient;
  readonly #follower: RedisClient;
  /** A blocking read holds up whatever else its connection has to do. */
  readonly #jobFollower: RedisClient;
  readonly #bootCheck: BootCheck;
  readonly #pods = new Set<RemotePod>();
  #peers: Peers | undefined;

  constructor(config: FleetConfig, means: FleetMeans) {
    const { podId, clock, random, metrics, memory, log } = means;
    this.#config = config;
    this.#means = means;
    const client = redisClients({ url: config.redis, clock, random, log, observer: metrics.redis });
    this.#requests = client('request');
    this.#follower = client('follower');
    this.#jobFollower = client('follower');
    this.#bootCheck = new BootCheck({ kind: config.redis.kind, client: this.#requests, clock, log });
    this.registry = new RedisRegistry({
      redis: this.#requests,
      stream: this.#follower,
      keyPrefix: config.redisPrefix,
      podId,
      version,
      memory,
      clock,
      random,
      newToken: randomUUID,
      log,
      onLag: (ms) => metrics.registry.changeSeen(ms),
    });
    const pods = () => this.#pods.size + 1;
    this.shares = new FleetShares({ redis: this.#requests, prefix: config.redisPrefix, podId, pods, clock });
    this.#report();
  }

  get redisUp(): boolean {
    return this.#requests.status === 'up';
  }

  /** Whether there is another pod that agents can move to. */
  get hasOthers(): boolean {
    return this.#pods.size > 0;
  }

  /** Joins the connections of this pod to the fleet: the ways to every exit, and who may order agents about. */
  join(connections: AgentConnections): { readonly links: LinkDirectory; readonly control: AgentControl } {
    this.registry.listen(connections);
    this.registry.listenPods(this);
    const { peer } = this.#config;
    if (peer.kind === 'none') return { links: connections, control: connections };
    const { podId, clock, random, wheel, metrics, log, fleet, localFleet, memory, bind } = this.#means;
    const credential = new PeerCredential(peer, { clock, log });
    const deps = { ...this.#means, version, observer: metrics.peers, credential };
    const links = new PeerLinks(deps);
    const relay = new RelayIntake({ localFleet, local: connections, random, wheel, observer: metrics.relay });
    const server = new PeerServer({
      ...deps,
      host: bind,
      port: this.#config.peerPort,
      onStream: (stream) => relay.serve(stream),
      onOrder: ({ agentId, kind }) => obey(connections, agentId, kind),
    });
    this.#peers = { credential, links, server, relay };
    const refresh = (agentId: string) => this.registry.refresh(agentId);
    return {
      links: new FleetLinks({ fleet, local: connections, peers: links, refresh, clock, observer: metrics.relay }),
      control: new FleetControl({ podId, local: connections, peers: links, where: (id) => memory.connectionsOf(id) }),
    };
  }

  /** Its owner closes it before this pod leaves. */
  openJobStore(settings: JobSettings): Promise<JobStore> {
    const { redis, redisPrefix: prefix } = this.#config;
    const { clock } = this.#means;
    const partitions = redis.kind === 'cluster' ? clusterPartitions : 1;
    const clients = { redis: this.#requests, follower: this.#jobFollower };
    return openRedisJobStore({ ...clients, clock, prefix, partitions, settings });
  }

  podJoined(pod: RemotePod): void {
    this.#pods.add(pod);
    if (this.#peers) this.#peers.links.podJoined(pod);
    else
      this.#means.log.warn(
        { podId: pod.podId },
        'there is another pod, but without a peer credential neither can send jobs to agents of the other',
      );
  }

  podLeft(pod: RemotePod): void {
    this.#pods.delete(pod);
    this.#peers?.links.podLeft(pod);
  }

  /** The peer port first: the lease tells others where it is. Redis has a moment to answer, but need not. */
  async start(): Promise<AddressInfo | undefined> {
    await this.#peers?.credential.start();
    const listening = await this.#peers?.server.start();
    this.#requests.start();
    this.#follower.start();
    this.#jobFollower.start();
    this.#bootCheck.start();
    await this.#requests.upWithin(firstAnswerMs);
    this.registry.start(listening ? formatAddress({ host: this.#config.podAddress, port: listening.port }) : '');
    this.shares.start();
    return listening;
  }

  /** Jobs that other pods sent here are over; nothing is sent to them any more. */
  async leave(graceMs: number): Promise<void> {
    const peers = this.#peers;
    await peers?.relay.drain();
    await Promise.all([peers?.links.close(graceMs), peers?.server.close(graceMs)]);
    await this.registry.stop();
    this.shares.close();
    this.#bootCheck.close();
    await Promise.all([this.#requests.close(), this.#follower.close(), this.#jobFollower.close()]);
    peers?.credential.stop();
  }

  #report(): void {
    const { health, metrics } = this.#means;
    health.add('registry', this.registry.check);
    health.add('redisSettings', this.#bootCheck.check);
    health.note('redis', this.#requests.note);
    metrics.registry.read(() => this.registry.figures);
  }
}

/** An order that this version does not know reaches nothing. */
function obey(connections: AgentConnections, agentId: string, kind: AgentOrderKind): number {
  switch (kind) {
    case AgentOrderKind.DRAIN:
      return connections.drainAgent(agentId);
    case AgentOrderKind.DISCONNECT:
      return connections.disconnectAgent(agentId);
    default:
      return 0;
  }
}
