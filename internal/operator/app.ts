// The operator: turns AgentKeys into Secrets. Any number of them may run; the one that holds the Lease acts, the others
// stand by with everything already listed.
import { randomBytes, randomUUID } from 'node:crypto';
import { AdminServer } from '../kit/admin-server.ts';
import { type Clock, systemClock } from '../kit/clock.ts';
import { Flag, Health } from '../kit/health.ts';
import { createLogger, type Logger } from '../kit/log.ts';
import type { App } from '../kit/program.ts';
import { type Credentials, loadCredentials } from '../kube/credentials.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { isFault, type KubeError } from '../kube/kube-error.ts';
import { formatKey } from '../orchestrator/keys/key-format.ts';
import { AgentReport } from './agent-report.ts';
import { EventRecorder } from './event-recorder.ts';
import { KubeWorld } from './kube-world.ts';
import { Leader } from './leader.ts';
import { OperatorMetrics } from './operator-metrics.ts';
import { Reconciler } from './reconcile/reconciler.ts';
import { WorkQueue } from './work-queue.ts';

export interface OperatorConfig {
  /** What agents dial; it goes into every Secret. */
  readonly orchWs: string;
  /** Namespaces to look after: 'own', 'all', or these. */
  readonly namespaces: 'own' | 'all' | readonly string[];
  readonly lease: { readonly name: string; readonly namespace: string | undefined };
  readonly adminBind: string;
  readonly adminPort: number;
  /** Where orchestrators report connected agents; undefined: nowhere. */
  readonly report: { readonly url: string; readonly tokenPath: string } | undefined;
  readonly podId: string;
  readonly logLevel: string;
}

const workers = 4;
const secretBytes = 32;

export class OperatorApp implements App {
  readonly #config: OperatorConfig;
  readonly #clock: Clock = systemClock;
  readonly #log: Logger;
  readonly #identity: string;
  readonly #metrics = new OperatorMetrics();
  readonly #admin: AdminServer;
  readonly #operator = new Flag('AgentKeys and Secrets are not listed yet');
  readonly #version: string;
  #parts: Parts | undefined;

  constructor(config: OperatorConfig, version: string) {
    this.#config = config;
    this.#version = version;
    this.#log = createLogger('operator', config.logLevel);
    // A process that comes back under the same pod name must not take itself for the one before.
    this.#identity = `${config.podId}_${randomUUID()}`;
    const health = new Health();
    health.add('operator', this.#operator.check);
    const { adminBind: host, adminPort: port } = config;
    this.#admin = new AdminServer({ host, port, clock: this.#clock, health, metrics: this.#metrics });
  }

  /** Ready once everything is listed; whether this process leads is no part of it. */
  async start(): Promise<void> {
    const { address, port } = await this.#admin.listen();
    this.#log.info({ door: 'admin', address, port }, 'listening');
    const parts = this.#build(await loadCredentials());
    this.#parts = parts;
    await parts.world.start();
    this.#operator.well();
    this.#log.info({ agentKeys: parts.world.size, identity: this.#identity }, 'ready');
    parts.leader.start();
  }

  /** What was begun is finished, then the Lease is given up, so that a standby takes over at once. */
  async stop(reason: string): Promise<void> {
    this.#operator.unwell('the operator is shutting down');
    this.#log.info({ reason }, 'shutting down');
    const parts = this.#parts;
    if (parts) {
      parts.report?.stop();
      await parts.queue.stop();
      await parts.events.flush();
      await parts.leader.stop();
      await parts.world.stop();
      await parts.credentials.close();
    }
    await this.#admin.close();
    this.#log.info('stopped');
  }

  #build(credentials: Credentials): Parts {
    const { clock, log } = { clock: this.#clock, log: this.#log };
    const { orchWs, lease } = this.#config;
    const random = Math.random;

    // The API server: every write but that of the Lease only while this process leads.
    const client = new KubeClient({
      credentials,
      userAgent: `resproxy-operator/${this.#version}`,
      mayWrite: () => leader.leads,
      onAnswer: (method, code) => this.#metrics.answered(method, code),
    });
    const events = new EventRecorder({
      client,
      clock,
      identity: this.#identity.slice(0, 128),
      onLost: (error) => this.#eventLost(error),
    });

    // What there is, and the work on it.
    const report = this.#report(() => {
      for (const key of world.keys()) queue.add(key);
    });
    const world: KubeWorld = new KubeWorld({
      client,
      namespaces: this.#namespaces(credentials),
      events,
      clock,
      random,
      onTouched: (key) => queue.add(key),
      onFault: (error: KubeError) =>
        log.warn({ fault: error.fault, error: error.message }, 'a watch failed; it goes on'),
      countAgents: (name) => report?.count(name),
    });
    const reconciler = new Reconciler({
      world,
      orchWs,
      makeKey: (keyId) => formatKey(keyId, randomBytes(secretBytes)).text,
      wallMs: () => clock.wallMs(),
      onUnreadable: (agentKey, fault) => log.error({ agentKey, fault }, 'an AgentKey cannot be read; it is left alone'),
    });
    const queue: WorkQueue = new WorkQueue({
      clock,
      random,
      workers,
      work: (key) => this.#reconcile(reconciler, key),
      onFailure: (agentKey, error, retryMs) => this.#failed(agentKey, error, retryMs),
    });

    // Who acts.
    const leader: Leader = new Leader({
      client,
      namespace: lease.namespace ?? credentials.namespace,
      name: lease.name,
      identity: this.#identity,
      clock,
      random,
      onLeading: () => {
        log.info('this process leads');
        queue.start();
        report?.start();
      },
      onLost: (why) => this.#end(why),
      onFault: (error) => log.warn({ error: messageOf(error) }, 'the Lease could not be read or written'),
    });
    this.#metrics.watch({
      leads: () => leader.leads,
      queueDepth: () => queue.depth,
      agentKeys: () => world.size,
      silentMs: () => world.silentMs,
    });
    return { credentials, events, world, queue, leader, report };
  }

  #namespaces(credentials: Credentials): readonly string[] | undefined {
    const { namespaces } = this.#config;
    if (namespaces === 'all') return undefined;
    return namespaces === 'own' ? [credentials.namespace] : namespaces;
  }

  #report(onReport: () => void): AgentReport | undefined {
    const { report } = this.#config;
    if (!report) return undefined;
    const onFault = (error: unknown) => this.#log.warn({ error: messageOf(error) }, 'connected agents are not known');
    return new AgentReport({ ...report, clock: this.#clock, onReport, onFault });
  }

  async #reconcile(reconciler: Reconciler, key: string): Promise<number | undefined> {
    const begun = this.#clock.now();
    let result: 'ok' | 'error' = 'error';
    try {
      const againInMs = await reconciler.reconcile(key);
      result = 'ok';
      return againInMs;
    } finally {
      this.#metrics.reconciled(result, this.#clock.now() - begun, this.#clock.wallMs());
    }
  }

  /** That somebody else wrote first is ordinary. */
  #failed(agentKey: string, error: unknown, retryMs: number): void {
    const level = isFault(error, 'conflict', 'already-exists') ? 'debug' : 'warn';
    this.#log[level]({ agentKey, error: messageOf(error), retryMs: Math.round(retryMs) }, 'an AgentKey is tried again');
  }

  #eventLost(error: unknown): void {
    this.#metrics.eventLost();
    this.#log.debug({ error: messageOf(error) }, 'an event is lost');
  }

  /** Nothing here can be trusted to be alone any more: a new process starts from nothing. */
  #end(why: string): void {
    this.#log.fatal({ why }, 'this process no longer leads, and ends');
    process.exit(1);
  }
}

interface Parts {
  readonly credentials: Credentials;
  readonly events: EventRecorder;
  readonly world: KubeWorld;
  readonly queue: WorkQueue;
  readonly leader: Leader;
  readonly report: AgentReport | undefined;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
