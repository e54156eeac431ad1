// The orchestrator, built in the order in which a job travels. The only file that knows every concrete class, and the
// place where starting and stopping are an argument written down.
import { randomBytes, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { AdminServer } from '../kit/admin-server.ts';
import { sleep } from '../kit/clock.ts';
import type { App } from '../kit/program.ts';
import { TlsFiles } from '../kit/tls-files.ts';
import { limits } from '../wire/limits.ts';
import { AgentCounts } from './admin/agent-counts.ts';
import { AgentConnections } from './channel/agent-connections.ts';
import { AgentListener } from './channel/agent-listener.ts';
import { type AddressRange, isLoopback, parseRange } from './channel/client-address.ts';
import type { LinkDirectory } from './channel/link.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { DurableQueue, type QueueConfig } from './durable-queue.ts';
import { type Ground, layGround } from './ground.ts';
import { Admission } from './intake/admission.ts';
import { AgentService } from './intake/agent-service.ts';
import { Gate } from './intake/gate.ts';
import { GrpcDoor } from './intake/grpc/grpc-door.ts';
import { HttpDoor } from './intake/http/http-door.ts';
import { JobService } from './intake/job-service.ts';
import { SiteRates } from './intake/site-rates.ts';
import { defaultJobSettings } from './jobs/job-limits.ts';
import type { JobStore } from './jobs/job-store.ts';
import { openSqliteJobStore } from './jobs/sqlite/sqlite-store.ts';
import { Keyring } from './keys/keyring.ts';
import { alone as ownShares } from './limits/shares.ts';
import { type Callers, openCallers } from './open-callers.ts';
import { type KeysConfig, openKeys } from './open-keys.ts';
import type { PeerConfig } from './peer/peer-credential.ts';
import { parseRedisUrl } from './redis/redis-url.ts';
import type { AgentControl } from './registry/agents.ts';
import type { FleetConfig, SharedFleet } from './shared-fleet.ts';

// For reading the settings.
export { type AddressRange, type FleetConfig, isLoopback, type PeerConfig, parseRange, parseRedisUrl };

export interface PemFiles {
  readonly certPath: string;
  readonly keyPath: string;
}

export type Door = 'http' | 'grpc' | 'agent';

export interface OrchestratorConfig {
  readonly bind: string;
  readonly adminBind: string;
  /** 0 lets the system choose. */
  readonly ports: Readonly<Record<Door | 'admin', number>>;
  readonly tls: PemFiles | undefined;
  readonly agentTls: PemFiles | undefined;
  /** Doors that may be plain off loopback. */
  readonly plaintext: readonly Door[];
  readonly trustedProxies: readonly AddressRange[];
  /** Whose pages may call the HTTP door from a browser. */
  readonly corsOrigins: readonly string[];
  readonly keys: KeysConfig;
  /** File with the token for /agent-counts; undefined: not told. */
  readonly reportTokenPath: string | undefined;
  /** Undefined: everybody is let in. */
  readonly callersFile: string | undefined;
  readonly podId: string;
  readonly queue: QueueConfig;
  /** Undefined: this pod is alone. */
  readonly fleet: FleetConfig | undefined;
  /** After SIGTERM: how long everything is still taken, so that balancers can look elsewhere. */
  readonly lameDuckMs: number;
  readonly shutdownGraceMs: number;
  readonly drainSpreadMs: number;
  readonly bufferBytes: number;
  readonly logLevel: string;
}

/** Calls of all callers at once. Each holds at most its windows, and the buffer budget holds them all. */
const maxCallsInFlight = 20_000;
const maxAttempts = 3;
/** For links between pods, once nothing is left to run over them. */
const leaveGraceMs = 1_000;

export class OrchestratorApp implements App {
  readonly #config: OrchestratorConfig;
  readonly #ground: Ground;
  readonly #certificates: TlsFiles[] = [];
  readonly #keyring: Keyring;
  readonly #callers: Callers;
  readonly #admission: Admission;
  readonly #dispatcher: Dispatcher;
  readonly #queue: DurableQueue;
  readonly #connections: AgentConnections;
  /** Undefined: this pod is alone. */
  readonly #shared: SharedFleet | undefined;
  readonly #agents: AgentService;
  readonly #agentDoor: AgentListener;
  readonly #grpcDoor: GrpcDoor;
  readonly #httpDoor: HttpDoor;
  readonly #admin: AdminServer;

  /** What a pod has only because there are others is loaded only when there are: ioredis alone is 8 MiB. */
  static async build(config: OrchestratorConfig): Promise<OrchestratorApp> {
    return new OrchestratorApp(config, config.fleet && (await import('./shared-fleet.ts')).SharedFleet);
  }

  private constructor(config: OrchestratorConfig, Shared: typeof SharedFleet | undefined) {
    this.#config = config;
    const ground = layGround(config, config.fleet && (() => this.#shared?.redisUp ?? false));
    this.#ground = ground;
    const { clock, random, log, metrics, health, memory } = ground;
    const tls = this.#certificate(config.tls);
    const agentTls = config.agentTls === config.tls ? tls : this.#certificate(config.agentTls);
    const { trustedProxies, bind, adminBind } = config;
    this.#shared = config.fleet && Shared && new Shared(config.fleet, { ...ground, bind });

    // Agents: who may come, and the links to their exits.
    const source = openKeys(config.keys, ground);
    metrics.followKeys(source);
    this.#keyring = new Keyring({ source, clock });
    this.#connections = new AgentConnections({
      ...ground,
      randomBytes,
      observer: metrics.channel,
      registry: this.#shared?.registry ?? memory,
      agentGraceMs: config.shutdownGraceMs,
    });
    this.#keyring.listen(this.#connections);
    const door = (name: Door) => ({
      host: bind,
      port: config.ports[name],
      allowPlaintext: config.plaintext.includes(name),
      trustedProxies,
    });
    this.#agentDoor = new AgentListener({
      ...door('agent'),
      tls: agentTls,
      keyring: this.#keyring,
      connections: this.#connections,
      clock,
      random,
      log,
    });

    // Jobs: from a request to an exit and back, through another pod when the exit is there.
    const { links, control } = this.#shared?.join(this.#connections) ?? alone(this.#connections);
    this.#dispatcher = new Dispatcher({
      ...ground,
      links,
      observer: metrics.attempts,
      maxWholeBodyBytes: limits.maxUnaryBodyBytes,
      maxPieceBytes: limits.maxDataBytes,
    });
    const shares = this.#shared?.shares ?? ownShares;
    const openStore = () => this.#openStore();
    const sites = new SiteRates(clock, shares);
    this.#queue = new DurableQueue(config.queue, { ...ground, links, sites, openStore });
    this.#agents = new AgentService(memory, control, clock);
    const jobs = this.#jobs(sites);
    const services = { ...this.#queue.services, jobs, agents: this.#agents };

    // Callers: who may ask, and the doors.
    this.#callers = openCallers(config.callersFile, ground);
    const { authenticator } = this.#callers;
    this.#admission = new Admission({ clock, maxInFlight: maxCallsInFlight, shares });
    const { jobs: observer } = metrics;
    const gate = new Gate({ clock, authenticator, admission: this.#admission, observer });
    const shared = { ...ground, ...services, tls, gate, newRequestId: randomUUID };
    this.#grpcDoor = new GrpcDoor({ ...door('grpc'), ...shared });
    this.#httpDoor = new HttpDoor({ ...door('http'), ...shared, corsOrigins: config.corsOrigins });

    // Platform engineers.
    const counts = new AgentCounts({ tokenPath: config.reportTokenPath, agents: () => memory.agentCounts });
    const pages = { '/agent-counts': counts.page };
    this.#admin = new AdminServer({ host: adminBind, port: config.ports.admin, clock, health, metrics, pages });
  }

  /** Probes first, since keys may be long in coming; certificates, keys and callers; then the doors, agents first. */
  async start(): Promise<void> {
    this.#countConnections();
    this.#ground.lag.start();
    this.#listening('admin', await this.#admin.listen());
    for (const files of this.#certificates) await files.start();
    await this.#keyring.start();
    await this.#callers.start();
    const peer = await this.#shared?.start();
    if (peer) this.#listening('peer', peer);
    await this.#queue.start();
    this.#listening('agent', await this.#agentDoor.start());
    this.#listening('grpc', await this.#grpcDoor.start());
    this.#listening('http', await this.#httpDoor.start());
    this.#ground.pod.well();
    this.#ground.log.info({ podId: this.#config.podId }, 'ready');
  }

  /**
   * 1. Readiness off; everything is still taken while balancers look elsewhere.
   * 2. Agents are told to dial another pod, paced; each serves here until it has one.
   * 3. The doors finish what they have: jobs run on for at most the grace and are then cancelled, durable ones handed
   *    back to the queue.
   * 4. Agents that have moved are let go, with what other pods sent them. Without another pod to move to no job can come
   *    any more, and nothing is waited for: their connections close with 4001.
   * 5. Links, lease, ports, files and timers are let go.
   */
  async stop(reason: string): Promise<void> {
    const { lameDuckMs, shutdownGraceMs: graceMs, drainSpreadMs: spreadMs } = this.#config;
    const { clock, log, pod, lag } = this.#ground;
    pod.unwell('the pod is shutting down');
    log.info({ reason, jobs: this.#dispatcher.inFlight }, 'shutting down');
    this.#httpDoor.leave();
    this.#agents.endWatches();
    this.#queue.services.durable.endWatches();
    this.#shared?.registry.setDraining();
    await sleep(clock, lameDuckMs);
    this.#agentDoor.stopAccepting();
    const agentsGone = this.#connections.drainAll({ graceMs, spreadMs });
    const drained = this.#queue.drain(graceMs);
    await Promise.all([this.#grpcDoor.stop(graceMs), this.#httpDoor.stop(graceMs), drained]);
    this.#admission.drain();
    await this.#dispatcher.drain();
    await this.#queue.close();
    if (!this.#shared?.hasOthers) this.#connections.endJobs();
    await agentsGone;
    await this.#shared?.leave(leaveGraceMs);
    await this.#agentDoor.close();
    await this.#admin.close();
    this.#keyring.stop();
    this.#callers.stop();
    for (const files of this.#certificates) files.stop();
    lag.stop();
    log.info('stopped');
  }

  #openStore(): Promise<JobStore> {
    const { clock } = this.#ground;
    const { dataDir, maxOpenPerTenant } = this.#config.queue;
    const settings = { ...defaultJobSettings, maxOpenPerTenant };
    const path = join(dataDir, 'jobs.sqlite');
    return this.#shared?.openJobStore(settings) ?? openSqliteJobStore({ path, now: () => clock.wallMs(), settings });
  }

  #jobs(sites: SiteRates): JobService {
    const { clock, metrics } = this.#ground;
    const { keyed } = this.#queue.services;
    const means = { runner: this.#dispatcher, keyed, clock, observer: metrics.jobs, sites };
    return new JobService({ ...means, newJobId: randomUUID, maxAttempts });
  }

  #countConnections(): void {
    this.#ground.metrics.countConnections({
      http: this.#httpDoor.doorway,
      grpc: this.#grpcDoor.doorway,
      agent: this.#agentDoor.doorway,
      admin: this.#admin.doorway,
    });
  }

  #certificate(files: PemFiles | undefined): TlsFiles | undefined {
    if (!files) return undefined;
    const { clock, log } = this.#ground;
    const onFault = (error: Error) =>
      log.error({ ...files, fault: error.message }, 'the new certificate cannot be used; the old one stays');
    const certificate = new TlsFiles({ ...files, clock, onFault });
    this.#certificates.push(certificate);
    return certificate;
  }

  #listening(door: Door | 'admin' | 'peer', { address, port }: AddressInfo): void {
    this.#ground.log.info({ door, address, port }, 'listening');
  }
}

/** Where this pod is the fleet. */
function alone(connections: AgentConnections): { readonly links: LinkDirectory; readonly control: AgentControl } {
  return { links: connections, control: connections };
}
