// The orchestrator, built in the order in which a job travels. The only file that knows every concrete class, and the
// place where starting and stopping are an argument written down.
import { randomBytes, randomUUID } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { ResetCode } from '../../gen/resproxy/v1/channel_pb.ts';
import { type Clock, sleep, systemClock } from '../kit/clock.ts';
import { createLogger, type Logger } from '../kit/log.ts';
import type { App } from '../kit/program.ts';
import { TimerWheel } from '../kit/timer-wheel.ts';
import { TlsFiles } from '../kit/tls-files.ts';
import { BufferBudget } from '../wire/budget.ts';
import { limits } from '../wire/limits.ts';
import { AdminServer } from './admin/admin-server.ts';
import { Flag, Health, lagCheck } from './admin/health.ts';
import { LoopLag } from './admin/loop-lag.ts';
import { Metrics } from './admin/metrics.ts';
import { AgentConnections } from './channel/agent-connections.ts';
import { AgentListener } from './channel/agent-listener.ts';
import { type AddressRange, isLoopback, parseRange } from './channel/client-address.ts';
import { Dispatcher } from './dispatch/dispatcher.ts';
import { DurableQueue, type QueueConfig } from './durable-queue.ts';
import { Admission } from './intake/admission.ts';
import { AgentService } from './intake/agent-service.ts';
import { type Authenticator, BearerAuthenticator, OpenAuthenticator } from './intake/auth/authenticator.ts';
import { CallersFile } from './intake/auth/callers-file.ts';
import { Gate } from './intake/gate.ts';
import { GrpcDoor } from './intake/grpc/grpc-door.ts';
import { HttpDoor } from './intake/http/http-door.ts';
import { JobService } from './intake/job-service.ts';
import { openSqliteJobStore } from './jobs/sqlite/sqlite-store.ts';
import { FileKeys } from './keys/file-keys.ts';
import { Keyring } from './keys/keyring.ts';
import { FleetView } from './registry/fleet-view.ts';
import { MemoryRegistry } from './registry/memory-registry.ts';

// For reading the settings.
export { type AddressRange, isLoopback, parseRange };

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
  readonly keysFile: string;
  /** Undefined: everybody is let in. */
  readonly callersFile: string | undefined;
  readonly podId: string;
  readonly queue: QueueConfig;
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

export class OrchestratorApp implements App {
  readonly #config: OrchestratorConfig;
  readonly #clock: Clock = systemClock;
  readonly #log: Logger;
  readonly #starting = new Flag('the pod is starting');
  readonly #metrics: Metrics;
  readonly #lag: LoopLag;
  readonly #certificates: TlsFiles[] = [];
  readonly #keyring: Keyring;
  readonly #callers: CallersFile | undefined;
  readonly #admission: Admission;
  readonly #dispatcher: Dispatcher;
  readonly #queue: DurableQueue;
  readonly #connections: AgentConnections;
  readonly #agents: AgentService;
  readonly #agentDoor: AgentListener;
  readonly #grpcDoor: GrpcDoor;
  readonly #httpDoor: HttpDoor;
  readonly #admin: AdminServer;

  constructor(config: OrchestratorConfig) {
    this.#config = config;
    const clock = this.#clock;
    const log = createLogger('orchestrator', config.logLevel);
    this.#log = log;
    const wheel = new TimerWheel(clock);
    const tls = this.#certificate(config.tls);
    const agentTls = config.agentTls === config.tls ? tls : this.#certificate(config.agentTls);

    // What is known of the fleet, and what is told of it.
    const fleet = new FleetView();
    const registry = new MemoryRegistry(fleet);
    const budget = new BufferBudget(config.bufferBytes);
    this.#metrics = new Metrics({ agents: () => registry.all(), resetNames, streamBytes: () => budget.usedBytes });
    this.#lag = new LoopLag(clock, (lagMs) => this.#metrics.loop.sample(lagMs));
    const health = this.#health();

    // Agents: who may come, and the links to their exits.
    const { podId, trustedProxies, bind } = config;
    this.#keyring = new Keyring({ source: new FileKeys({ path: config.keysFile, clock, log }), clock });
    this.#connections = new AgentConnections({
      podId,
      clock,
      random: Math.random,
      randomBytes,
      wheel,
      budget,
      observer: this.#metrics.channel,
      registry,
      log,
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
      random: Math.random,
      log,
    });

    // Jobs: from a request to an exit and back.
    this.#dispatcher = new Dispatcher({
      fleet,
      links: this.#connections,
      clock,
      random: Math.random,
      observer: this.#metrics.attempts,
      maxWholeBodyBytes: limits.maxUnaryBodyBytes,
      maxPieceBytes: limits.maxDataBytes,
    });
    this.#queue = this.#durableQueue(fleet, health);
    const observer = this.#metrics.jobs;
    this.#agents = new AgentService(registry, this.#connections);
    const services = { ...this.#queue.services, jobs: this.#jobs(this.#queue.services), agents: this.#agents };

    // Callers: who may ask, and the doors.
    this.#callers = callersIn(config.callersFile, clock, log);
    this.#admission = new Admission({ clock, maxInFlight: maxCallsInFlight });
    const gate = new Gate({ clock, authenticator: authenticator(this.#callers), admission: this.#admission, observer });
    const shared = { ...services, tls, gate, health, clock, wheel, newRequestId: randomUUID, log };
    this.#grpcDoor = new GrpcDoor({ ...door('grpc'), ...shared });
    this.#httpDoor = new HttpDoor({ ...door('http'), ...shared, corsOrigins: config.corsOrigins });

    // Platform engineers.
    this.#admin = new AdminServer({ host: config.adminBind, port: config.ports.admin, health, metrics: this.#metrics });
  }

  /** Certificates, keys and callers first; then the doors, agents first; ready last. */
  async start(): Promise<void> {
    for (const files of this.#certificates) await files.start();
    await this.#keyring.start();
    await this.#callers?.start();
    await this.#queue.start();
    this.#lag.start();
    this.#listening('admin', await this.#admin.listen());
    this.#listening('agent', await this.#agentDoor.start());
    this.#listening('grpc', await this.#grpcDoor.start());
    this.#listening('http', await this.#httpDoor.start());
    this.#starting.well();
    this.#log.info({ podId: this.#config.podId }, 'ready');
  }

  /**
   * 1. Readiness off; everything is still taken while balancers look elsewhere.
   * 2. Agents are told to dial another pod, paced; each serves here until it has one.
   * 3. The doors finish what they have: jobs run on for at most the grace and are then cancelled, durable ones handed
   *    back to the queue.
   * 4. No job can come any more, so agents need not wait for another pod: their connections close with 4001.
   * 5. Ports, files and timers are let go.
   */
  async stop(reason: string): Promise<void> {
    const { lameDuckMs, shutdownGraceMs: graceMs, drainSpreadMs: spreadMs } = this.#config;
    this.#starting.unwell('the pod is shutting down');
    this.#log.info({ reason, jobs: this.#dispatcher.inFlight }, 'shutting down');
    this.#httpDoor.leave();
    this.#agents.endWatches();
    this.#queue.services.durable.endWatches();
    await sleep(this.#clock, lameDuckMs);
    this.#agentDoor.stopAccepting();
    const agentsGone = this.#connections.drainAll({ graceMs, spreadMs });
    const drained = this.#queue.drain(graceMs);
    await Promise.all([this.#grpcDoor.stop(graceMs), this.#httpDoor.stop(graceMs), drained]);
    this.#admission.drain();
    await this.#dispatcher.drain();
    this.#connections.endJobs();
    await this.#queue.close();
    await agentsGone;
    await this.#agentDoor.close();
    await this.#admin.close();
    this.#keyring.stop();
    this.#callers?.stop();
    for (const files of this.#certificates) files.stop();
    this.#lag.stop();
    this.#log.info('stopped');
  }

  #health(): Health {
    const health = new Health();
    health.add('pod', this.#starting.check);
    health.add('eventLoop', lagCheck(this.#lag));
    return health;
  }

  #durableQueue(fleet: FleetView, health: Health): DurableQueue {
    const { podId, queue } = this.#config;
    const now = () => this.#clock.wallMs();
    return new DurableQueue(queue, {
      podId,
      openStore: () => openSqliteJobStore({ path: join(queue.dataDir, 'jobs.sqlite'), now }),
      fleet,
      links: this.#connections,
      metrics: this.#metrics,
      health,
      clock: this.#clock,
      random: Math.random,
      log: this.#log,
    });
  }

  #jobs({ keyed }: DurableQueue['services']): JobService {
    const { jobs: observer } = this.#metrics;
    const runner = this.#dispatcher;
    return new JobService({ runner, keyed, clock: this.#clock, newJobId: randomUUID, observer, maxAttempts });
  }

  #certificate(files: PemFiles | undefined): TlsFiles | undefined {
    if (!files) return undefined;
    const onFault = (error: Error) =>
      this.#log.error({ ...files, fault: error.message }, 'the new certificate cannot be used; the old one stays');
    const certificate = new TlsFiles({ ...files, clock: this.#clock, onFault });
    this.#certificates.push(certificate);
    return certificate;
  }

  #listening(door: Door | 'admin', { address, port }: AddressInfo): void {
    this.#log.info({ door, address, port }, 'listening');
  }
}

function callersIn(path: string | undefined, clock: Clock, log: Logger): CallersFile | undefined {
  return path === undefined ? undefined : new CallersFile({ path, clock, log });
}

function authenticator(callers: CallersFile | undefined): Authenticator {
  return callers ? new BearerAuthenticator(callers) : new OpenAuthenticator();
}

const resetNames: ReadonlyMap<number, string> = new Map(
  Object.entries(ResetCode).map(([name, number]) => [number, name]),
);
