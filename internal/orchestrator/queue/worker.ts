// The worker of a pod: claims jobs while it has room, runs an attempt of each, renews what it holds, and hands back
// what it cannot finish. Any pod may claim any job, since every pod sees the whole fleet.
import { fullJitterMs, narrowJitterMs } from '../../kit/backoff.ts';
import type { CancelTimer } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { ClaimedJob, Lease } from '../jobs/job-store.ts';
import type { Ended } from './attempt-outcome.ts';
import { type AttemptMeans, DurableAttempt } from './durable-attempt.ts';
import { HeldJob, type HeldMeans } from './held-job.ts';
import { decodeSpec, type JobSpec } from './job-spec.ts';
import { queueLimits } from './queue-limits.ts';

/** What the worker tells of its work, for metrics. */
export interface QueueObserver {
  /** `waitedMs`: since it might be claimed. */
  claimed(priority: number, waitedMs: number): void;
  ended(ended: Ended): void;
}

export interface WorkerOptions extends AttemptMeans, HeldMeans {
  readonly podId: string;
  readonly observer: QueueObserver;
  readonly log: Logger;
  /** An attempt is over: an exit may have room for what is parked. */
  readonly onRoom: () => void;
  readonly maxRunning?: number;
}

export class Worker {
  readonly #options: WorkerOptions;
  readonly #held = new Map<string, HeldJob>();
  #bodyBytes = 0;
  #claiming = false;
  #wanted = false;
  #failures = 0;
  #cancelPoll: CancelTimer = () => {};
  #cancelRenew: CancelTimer = () => {};
  #unfollow: () => void = () => {};
  #stopped = false;
  /** Set by stop: resolves when the last attempt is over. */
  #emptied: PromiseWithResolvers<void> | undefined;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  get running(): number {
    return this.#held.size;
  }

  /** As the last claim found it. */
  get storeAnswers(): boolean {
    return this.#failures === 0;
  }

  start(): void {
    this.#unfollow = this.#options.store.follow(({ jobId, state }) => {
      if (state === 'QUEUED') this.wake();
      else if (state === 'CANCELLED') this.#held.get(jobId)?.lose();
    });
    this.#renewAfter(queueLimits.renewMs);
    this.wake();
  }

  /** Claims nothing more; what runs has the grace to end and is handed back then. */
  async stop(graceMs: number): Promise<void> {
    this.#emptied = Promise.withResolvers();
    this.#unfollow();
    this.#cancelPoll();
    if (this.#held.size === 0 && !this.#claiming) this.#emptied.resolve();
    const { clock } = this.#options;
    const each = (leave: (held: HeldJob) => void) => () => this.#held.forEach(leave);
    const cancelGrace = clock.after(
      graceMs,
      each((held) => held.abandon()),
    );
    const cancelHandBack = clock.after(
      graceMs + queueLimits.handBackMs,
      each((held) => held.lose()),
    );
    await this.#emptied.promise;
    this.#stopped = true;
    cancelGrace();
    cancelHandBack();
    this.#cancelRenew();
  }

  // Claiming.

  /** Something may be there to be claimed; cheap, and may be called at any rate. */
  wake(): void {
    if (this.#emptied) return;
    if (this.#claiming) this.#wanted = true;
    else void this.#claim();
  }

  async #claim(): Promise<void> {
    this.#claiming = true;
    this.#wanted = false;
    this.#cancelPoll();
    const pauseMs = await this.#claimOnce();
    this.#claiming = false;
    if (this.#emptied) return this.#settleStop();
    if (pauseMs === 0 || (this.#wanted && this.#hasRoom)) return void this.#claim();
    this.#cancelPoll = this.#options.clock.after(pauseMs, () => this.wake());
  }

  /** How long to wait before the next claim, unless a hint comes. */
  async #claimOnce(): Promise<number> {
    const { store, podId, random, log } = this.#options;
    const limit = Math.min(queueLimits.maxClaimed, this.#room);
    const pollMs = narrowJitterMs(0, queueLimits.pollMs, queueLimits.pollMs, random);
    if (limit <= 0) return pollMs;
    try {
      const jobs = await store.claim({ podId, limit, leaseMs: queueLimits.leaseMs });
      if (this.#failures > 0) log.info('the job store answers again');
      this.#failures = 0;
      for (const job of jobs) this.#take(job);
      return jobs.length === limit && this.#hasRoom ? 0 : pollMs;
    } catch (error) {
      if (this.#failures === 0) log.warn({ fault: String(error) }, 'no job can be claimed');
      return fullJitterMs(this.#failures++, queueLimits.minStorePauseMs, queueLimits.maxStorePauseMs, random);
    }
  }

  get #room(): number {
    const { maxRunning = queueLimits.maxRunning } = this.#options;
    return this.#bodyBytes < queueLimits.maxBodyBytes ? maxRunning - this.#held.size : 0;
  }

  get #hasRoom(): boolean {
    return this.#room > 0;
  }

  // Running.

  #take(claimed: ClaimedJob): void {
    const held = new HeldJob(claimed, this.#options);
    // One lease of a job is over when another is given.
    this.#held.get(claimed.lease.jobId)?.lose();
    this.#held.set(claimed.lease.jobId, held);
    this.#bodyBytes += claimed.spec.length;
    const { observer, clock } = this.#options;
    const { priority, readyAt } = claimed.job;
    observer.claimed(priority, Math.max(0, clock.wallMs() - readyAt));
    void this.#run(held).finally(() => this.#over(held));
  }

  async #run(held: HeldJob): Promise<void> {
    const { observer, log } = this.#options;
    const { jobId } = held.lease;
    try {
      const spec = await this.#readSpec(held);
      if (spec) observer.ended(await new DurableAttempt(held, spec, this.#options).run());
    } catch (error) {
      // Its lease ends by itself, and what the store knows by then decides.
      log.error({ jobId, err: error }, 'an attempt of a durable job broke off');
      observer.ended({ outcome: 'broken-off', code: 'INTERNAL' });
    }
  }

  /** A newer pod may have written it: then one of those shall run it. */
  async #readSpec(held: HeldJob): Promise<JobSpec | undefined> {
    try {
      return decodeSpec(held.claimed.spec);
    } catch (error) {
      this.#options.log.error(
        { jobId: held.lease.jobId, fault: String(error) },
        'a job of another version of resproxy',
      );
      await held.record((store, lease) => store.release(lease, queueLimits.fullParkingMs));
      return undefined;
    }
  }

  #over(held: HeldJob): void {
    const { jobId } = held.lease;
    if (this.#held.get(jobId) === held) this.#held.delete(jobId);
    this.#bodyBytes -= held.claimed.spec.length;
    this.#options.onRoom();
    if (this.#emptied) this.#settleStop();
    else this.wake();
  }

  #settleStop(): void {
    if (this.#held.size === 0 && !this.#claiming) this.#emptied?.resolve();
  }

  // Leases.

  #renewAfter(ms: number): void {
    if (this.#stopped) return;
    this.#cancelRenew = this.#options.clock.after(ms, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { store } = this.#options;
    const held = [...this.#held.values()];
    try {
      if (held.length > 0) this.#renewed(held, await store.renew(held.map(leaseOf), queueLimits.leaseMs));
      this.#renewAfter(queueLimits.renewMs);
    } catch {
      for (const job of held) if (job.isOverdue) job.lose();
      this.#renewAfter(queueLimits.renewAgainMs);
    }
  }

  #renewed(held: readonly HeldJob[], lost: readonly Lease[]): void {
    const gone = new Set(lost.map(({ jobId }) => jobId));
    for (const job of held) {
      if (gone.has(job.lease.jobId)) job.lose();
      else job.renewed();
    }
  }
}

function leaseOf({ lease }: HeldJob): Lease {
  return lease;
}
