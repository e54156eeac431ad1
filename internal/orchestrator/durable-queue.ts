// What a pod has for jobs that outlive their call: the store, the worker that runs what stands in it, the one that wakes
// what waits for an exit, the sweeper, and the deliverer that tells of ends. Nothing else in the pod waits for it.

import { randomUUID } from 'node:crypto';
import { OwnNetwork } from '../guard/own-network.ts';
import type { Clock, Random } from '../kit/clock.ts';
import type { Health } from '../kit/health.ts';
import type { Logger } from '../kit/log.ts';
import type { Metrics } from './admin/metrics.ts';
import { type AllowedReceiver, CallbackRules, parseReceiver } from './callbacks/callback-rules.ts';
import { CallbackSecrets } from './callbacks/callback-secrets.ts';
import { Deliverer } from './callbacks/deliverer.ts';
import type { LinkDirectory } from './channel/link.ts';
import { type DurableServices, durableServices } from './intake/durable/durable-services.ts';
import { webhookId } from './intake/durable/job-record-messages.ts';
import type { SiteRates } from './intake/site-rates.ts';
import { jobLimits } from './jobs/job-limits.ts';
import type { JobStore } from './jobs/job-store.ts';
import { LateStore } from './jobs/late-store.ts';
import { Parking } from './queue/parking.ts';
import { Sweeper } from './queue/sweeper.ts';
import { Worker } from './queue/worker.ts';
import type { FleetView } from './registry/fleet-view.ts';

// For reading the settings.
export { type AllowedReceiver, jobLimits, parseReceiver };

export interface QueueConfig {
  /** Where jobs are kept when no Redis is shared. */
  readonly dataDir: string;
  readonly resultTtlMs: number;
  readonly maxAttempts: number;
  readonly maxOpenPerTenant: number;
  readonly callbackAllow: readonly AllowedReceiver[];
  readonly callbackSecretsFile: string;
}

export interface QueueMeans {
  readonly podId: string;
  readonly openStore: () => Promise<JobStore>;
  readonly fleet: FleetView;
  readonly links: LinkDirectory;
  readonly sites: SiteRates;
  readonly metrics: Metrics;
  readonly health: Health;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export class DurableQueue {
  /** What the doors ask; it may be asked at once, and answers when the store is open. */
  readonly services: DurableServices;
  readonly #late: LateStore;
  readonly #secrets: CallbackSecrets;
  readonly #worker: Worker;
  readonly #parking: Parking;
  readonly #sweeper: Sweeper;
  readonly #deliverer: Deliverer;

  constructor(config: QueueConfig, means: QueueMeans) {
    const { podId, openStore, fleet, links, sites, metrics, health, clock, random, log } = means;
    this.#late = new LateStore({ open: openStore, clock, log });
    const { store } = this.#late;
    const shared = { store, clock, random, log };
    this.#parking = new Parking({ ...shared, fleet, onWoken: () => this.#worker.wake() });
    const onRoom = () => this.#parking.hint();
    fleet.onAdded(onRoom);
    this.#worker = new Worker({ ...shared, podId, fleet, links, observer: metrics.queue, onRoom });
    this.#sweeper = new Sweeper({ ...shared, onSwept: (swept) => metrics.queue.swept(swept) });
    const rules = new CallbackRules(config.callbackAllow, new OwnNetwork({ clock }));
    this.#secrets = new CallbackSecrets({ path: config.callbackSecretsFile, clock, log });
    const observer = metrics.callbacks;
    this.#deliverer = new Deliverer({ ...shared, rules, secrets: this.#secrets, webhookId, observer });
    const { resultTtlMs, maxAttempts } = config;
    const bounds = { maxAttempts, resultTtlMs, callbackFault: rules.fault };
    this.services = durableServices({ ...shared, ...bounds, sites, newJobId: randomUUID });
    metrics.queue.countDepth(() => store.depth());
    metrics.queue.countAge(() => store.oldest());
    health.note('jobStore', () => (this.#worker.storeAnswers ? undefined : 'the job store does not answer'));
  }

  /** Rejects when the store can never be opened, or the secrets cannot be read. */
  async start(): Promise<void> {
    await this.#secrets.start();
    await this.#late.open();
    this.services.changes.start();
    this.#worker.start();
    this.#parking.start();
    this.#sweeper.start();
    this.#deliverer.start();
  }

  /** Nothing more is claimed; what runs has the grace to end, and goes back to the queue then. */
  async drain(graceMs: number): Promise<void> {
    this.#parking.stop();
    this.#sweeper.stop();
    await Promise.all([this.#worker.stop(graceMs), this.#deliverer.stop()]);
  }

  /** Last of all, when nobody asks for a job any more. */
  async close(): Promise<void> {
    this.services.changes.stop();
    this.#secrets.stop();
    await this.#late.close();
  }
}
