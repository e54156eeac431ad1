// The metrics of durable jobs: what stands in the queue, what this pod did with it, and what receivers were told.
import { Counter, Histogram, type Registry } from 'prom-client';
import { askedAtScrape } from './instruments.ts';

/** Jobs of one state and priority. */
export interface QueueDepth {
  readonly state: string;
  readonly priority: number;
  readonly jobs: number;
}

/** How long the oldest job waits: for a claim, or for an exit. */
export interface QueueAge {
  readonly waitingFor: string;
  readonly priority: number;
  readonly waitedMs: number;
}

/** How an attempt ended: `code` is a failure code or OK, `outcome` what it meant for its job. */
export interface QueueAttempt {
  readonly outcome: string;
  readonly code: string;
}

/** What a sweep of the store did, by kind. */
export interface QueueSweep {
  readonly requeued: number;
  readonly retried: number;
  readonly unknown: number;
  readonly dead: number;
  readonly expired: number;
}

const waitBuckets = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1_800, 7_200, 86_400];

export class QueueMetrics {
  readonly #registry: Registry;
  readonly #claims: Counter;
  readonly #waits: Histogram;
  readonly #attempts: Counter;
  readonly #retries: Counter;
  readonly #dead: Counter;
  readonly #swept: Counter;

  constructor(registry: Registry) {
    this.#registry = registry;
    const counter = (name: string, help: string, labelNames: string[] = []) =>
      new Counter({ name, help, labelNames, registers: [registry] });
    this.#claims = counter('resproxy_queue_claims_total', 'Durable jobs that this pod claimed.');
    this.#waits = new Histogram({
      name: 'resproxy_queue_wait_seconds',
      help: 'From when a durable job might be claimed to its claim; between the clocks of the store and of this pod.',
      labelNames: ['priority'],
      buckets: waitBuckets,
      registers: [registry],
    });
    const attempts = 'Attempts of durable jobs by what they meant for the job.';
    this.#attempts = counter('resproxy_queue_attempts_total', attempts, ['outcome']);
    this.#retries = counter('resproxy_queue_retries_total', 'Attempts that another one follows, by why.', ['cause']);
    this.#dead = counter('resproxy_queue_dead_letters_total', 'Durable jobs whose attempts are used up.');
    const swept = 'Durable jobs that were overdue: their pod was gone, or they waited too long.';
    this.#swept = counter('resproxy_queue_overdue_total', swept, ['outcome']);
  }

  /** Asked at each scrape; a store that does not answer leaves the gauge empty. */
  countDepth(read: () => Promise<readonly QueueDepth[]>): void {
    const help = 'Durable jobs in the store, of all pods, by state and priority.';
    askedAtScrape(this.#registry, 'resproxy_queue_jobs', help, ['state', 'priority'], async () =>
      (await read()).map(({ state, priority, jobs }) => [{ state, priority }, jobs]),
    );
  }

  /** The same. */
  countAge(read: () => Promise<readonly QueueAge[]>): void {
    const help =
      'How long the oldest durable job of all pods waits, since it might be claimed: for a claim or an exit.';
    askedAtScrape(this.#registry, 'resproxy_queue_oldest_seconds', help, ['waiting_for', 'priority'], async () =>
      (await read()).map(({ waitingFor, priority, waitedMs }) => [
        { waiting_for: waitingFor, priority },
        waitedMs / 1000,
      ]),
    );
  }

  claimed(priority: number, waitedMs: number): void {
    this.#claims.inc();
    this.#waits.observe({ priority }, waitedMs / 1000);
  }

  ended({ outcome, code }: QueueAttempt): void {
    this.#attempts.inc({ outcome });
    if (outcome === 'retried') this.#retries.inc({ cause: code });
    if (outcome === 'dead') this.#dead.inc();
  }

  swept({ requeued, retried, unknown, dead, expired }: QueueSweep): void {
    for (const [outcome, jobs] of Object.entries({ requeued, retried, unknown, dead, expired }))
      if (jobs > 0) this.#swept.inc({ outcome }, jobs);
    this.#dead.inc(dead);
  }
}

export class CallbackMetrics {
  readonly #deliveries: Counter;

  constructor(registry: Registry) {
    this.#deliveries = new Counter({
      name: 'resproxy_callbacks_total',
      help: 'Deliveries of callbacks: delivered, again (it failed and is tried later), gave-up, postponed (not tried).',
      labelNames: ['outcome'],
      registers: [registry],
    });
  }

  ended(outcome: string): void {
    this.#deliveries.inc({ outcome });
  }
}
