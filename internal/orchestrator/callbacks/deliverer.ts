// Tells receivers of the ends of jobs, beside the jobs and never in their way: claims deliveries that are due, makes
// them, and records what came of each. Any pod delivers any callback; one that dies in the middle has it taken over.
import { fullJitterMs } from '../../kit/backoff.ts';
import type { CancelTimer, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { hasEnded } from '../jobs/job.ts';
import type { Delivery, DeliveryOutcome, JobStore } from '../jobs/job-store.ts';
import { callbackLimits } from './callback-limits.ts';
import { callbackBody, readReceiver } from './callback-message.ts';
import type { SecretSource } from './callback-secrets.ts';
import { type DeliveryMeans, deliver, type Receipt } from './delivery.ts';

/** What the deliverer tells of its work, for metrics. */
export interface CallbackObserver {
  ended(outcome: DeliveryOutcome['kind']): void;
}

export interface DelivererOptions extends DeliveryMeans {
  readonly store: JobStore;
  readonly secrets: SecretSource;
  readonly webhookId: (jobId: string) => string;
  readonly random: Random;
  readonly observer: CallbackObserver;
  readonly log: Logger;
}

const goneForGood = 410;

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #perReceiver = new Map<string, number>();
  #running = 0;
  #looking = false;
  #failures = 0;
  #cancelLook: CancelTimer = () => {};
  #unfollow: () => void = () => {};
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(options: DelivererOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unfollow = this.#options.store.follow(({ state }) => {
      if (hasEnded(state)) this.#lookAfter(0);
    });
    this.#lookAfter(callbackLimits.pollMs);
  }

  /** Claims nothing more; resolves when the deliveries under way are over, which their timeout bounds. */
  stop(): Promise<void> {
    this.#emptied = Promise.withResolvers();
    this.#unfollow();
    this.#cancelLook();
    this.#settleStop();
    return this.#emptied.promise;
  }

  #lookAfter(ms: number): void {
    if (this.#emptied || this.#looking) return;
    this.#cancelLook();
    this.#cancelLook = this.#options.clock.after(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#looking = true;
    const pauseMs = await this.#claim();
    this.#looking = false;
    this.#settleStop();
    this.#lookAfter(pauseMs);
  }

  async #claim(): Promise<number> {
    const limit = Math.min(callbackLimits.maxClaimed, callbackLimits.maxRunning - this.#running);
    if (limit <= 0) return callbackLimits.pollMs;
    const { store, random } = this.#options;
    try {
      const due = await store.claimDeliveries(limit, callbackLimits.leaseMs);
      this.#failures = 0;
      for (const delivery of due) void this.#run(delivery);
      return due.length === limit ? 0 : callbackLimits.pollMs;
    } catch {
      return fullJitterMs(this.#failures++, callbackLimits.pollMs, callbackLimits.leaseMs, random);
    }
  }

  async #run(delivery: Delivery): Promise<void> {
    this.#running++;
    const { store, observer, log } = this.#options;
    try {
      const outcome = await this.#deliver(delivery);
      await store.recordDelivery(delivery, outcome);
      observer.ended(outcome.kind);
    } catch (error) {
      // Its lease ends by itself, and the delivery is due again.
      log.warn({ jobId: delivery.jobId, fault: String(error) }, 'what came of a callback could not be recorded');
    } finally {
      this.#running--;
      this.#settleStop();
    }
  }

  async #deliver(delivery: Delivery): Promise<DeliveryOutcome> {
    const { secrets, webhookId } = this.#options;
    const url = readReceiver(delivery.callback);
    const signing = secrets.of(delivery.tenant);
    if (!url) return { kind: 'gave-up', note: 'the receiver cannot be read' };
    if (signing.length === 0) return this.#again(delivery, 'the tenant has no secret');
    const fault = this.#options.rules.fault(url);
    if (fault !== undefined) return { kind: 'gave-up', note: 'refused by rules' };
    const busy = this.#perReceiver.get(url.host) ?? 0;
    if (busy >= callbackLimits.maxPerReceiver) return { kind: 'again', note: '', delayMs: callbackLimits.pollMs };
    this.#perReceiver.set(url.host, busy + 1);
    try {
      const parcel = { url, id: webhookId(delivery.jobId), body: callbackBody(delivery.job), secrets: signing };
      return this.#outcome(delivery, await deliver(parcel, this.#options));
    } finally {
      this.#leave(url.host);
    }
  }

  #leave(host: string): void {
    const left = (this.#perReceiver.get(host) ?? 1) - 1;
    if (left > 0) this.#perReceiver.set(host, left);
    else this.#perReceiver.delete(host);
  }

  #outcome(delivery: Delivery, receipt: Receipt): DeliveryOutcome {
    if (receipt.kind === 'failed') return this.#again(delivery, receipt.why);
    const { status } = receipt;
    if (status >= 200 && status < 300) return { kind: 'delivered', note: `status ${status}` };
    if (status === goneForGood) return { kind: 'gave-up', note: `status ${status}` };
    return this.#again(delivery, `status ${status}`);
  }

  #again({ job }: Delivery, note: string): DeliveryOutcome {
    const pauseMs = callbackLimits.scheduleMs[(job.callback?.tries ?? 1) - 1];
    if (pauseMs === undefined) return { kind: 'gave-up', note };
    const spread = 1 - callbackLimits.jitter + 2 * callbackLimits.jitter * this.#options.random();
    return { kind: 'again', note, delayMs: Math.ceil(pauseMs * spread) };
  }

  #settleStop(): void {
    if (this.#running === 0 && !this.#looking) this.#emptied?.resolve();
  }
}
