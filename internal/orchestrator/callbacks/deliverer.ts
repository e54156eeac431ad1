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

/** What a receiver has to do now. */
interface Receiver {
  running: number;
  postponed: number;
}

const goneForGood = 410;

export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #receivers = new Map<string, Receiver>();
  #running = 0;
  #looking = false;
  #hinted = false;
  #failures = 0;
  #cancelLook: CancelTimer = () => {};
  #unfollow: () => void = () => {};
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(options: DelivererOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unfollow = this.#options.store.follow(({ state }) => {
      if (hasEnded(state)) this.#hint();
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

  #hint(): void {
    if (this.#hinted) return;
    this.#hinted = true;
    if (!this.#looking) this.#lookAfter(callbackLimits.hintMs);
  }

  #lookAfter(ms: number): void {
    if (this.#emptied) return;
    this.#cancelLook();
    this.#cancelLook = this.#options.clock.after(ms, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#hinted = false;
    const pauseMs = await this.#claim();
    this.#looking = false;
    this.#settleStop();
    this.#lookAfter(this.#hinted ? Math.min(pauseMs, callbackLimits.hintMs) : pauseMs);
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
      return fullJitterMs(this.#failures++, callbackLimits.pollMs, callbackLimits.maxPauseMs, random);
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
      if (this.#running-- === callbackLimits.maxRunning) this.#hint();
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
    const receiver = this.#receivers.get(url.host) ?? { running: 0, postponed: 0 };
    if (receiver.running >= callbackLimits.maxPerReceiver) return this.#postponed(receiver);
    this.#receivers.set(url.host, receiver);
    receiver.running++;
    try {
      const parcel = { url, id: webhookId(delivery.jobId), body: callbackBody(delivery.job), secrets: signing };
      return this.#outcome(delivery, await deliver(parcel, this.#options));
    } finally {
      this.#leave(receiver, url.host);
    }
  }

  /** It burns none of the schedule: whoever waits longest has not been tried. */
  #postponed(receiver: Receiver): DeliveryOutcome {
    receiver.postponed++;
    const spreadMs = Math.min(callbackLimits.maxBusyMs, receiver.postponed * callbackLimits.busyMs);
    return { kind: 'postponed', delayMs: Math.ceil(spreadMs * this.#options.random()) };
  }

  #leave(receiver: Receiver, host: string): void {
    receiver.running--;
    if (receiver.postponed > 0) this.#hint();
    if (receiver.running === 0) this.#receivers.delete(host);
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
