// Every metric of the operator. What a scrape can ask for is asked at the scrape; no label grows without bound.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface OperatorGauges {
  readonly leads: () => boolean;
  readonly queueDepth: () => number;
  readonly agentKeys: () => number;
  /** Longest silence of a watch, in milliseconds. */
  readonly silentMs: () => number;
}

export class OperatorMetrics {
  readonly #registry = new Registry();
  readonly #reconciles: Counter;
  readonly #duration: Histogram;
  readonly #lastSuccess: Gauge;
  readonly #requests: Counter;
  readonly #eventsLost: Counter;

  constructor() {
    const registers = [this.#registry];
    this.#reconciles = new Counter({
      name: 'resproxy_operator_reconciles_total',
      help: 'AgentKeys looked at, by result: ok or error.',
      labelNames: ['result'],
      registers,
    });
    for (const result of ['ok', 'error']) this.#reconciles.inc({ result }, 0);
    this.#duration = new Histogram({
      name: 'resproxy_operator_reconcile_duration_seconds',
      help: 'From looking at an AgentKey until all is written.',
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30],
      registers,
    });
    this.#lastSuccess = new Gauge({
      name: 'resproxy_operator_last_success_timestamp_seconds',
      help: 'When an AgentKey was last brought to where it should be.',
      registers,
    });
    this.#requests = new Counter({
      name: 'resproxy_operator_kube_requests_total',
      help: 'Requests to the API server; code 0 had no answer.',
      labelNames: ['method', 'code'],
      registers,
    });
    this.#eventsLost = new Counter({
      name: 'resproxy_operator_events_lost_total',
      help: 'Events that could not be written.',
      registers,
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  page(): Promise<string> {
    return this.#registry.metrics();
  }

  reconciled(result: 'ok' | 'error', ms: number, wallMs: number): void {
    this.#reconciles.inc({ result });
    this.#duration.observe(ms / 1000);
    if (result === 'ok') this.#lastSuccess.set(wallMs / 1000);
  }

  answered(method: string, code: number): void {
    this.#requests.inc({ method, code: String(code) });
  }

  eventLost(): void {
    this.#eventsLost.inc();
  }

  /** Set once the parts are built. */
  watch({ leads, queueDepth, agentKeys, silentMs }: OperatorGauges): void {
    this.#read('resproxy_operator_leader', '1 while this process acts, 0 while it stands by.', () => Number(leads()));
    this.#read('resproxy_operator_queue_depth', 'AgentKeys that wait to be looked at.', queueDepth);
    this.#read('resproxy_operator_agentkeys', 'AgentKeys that are known.', agentKeys);
    this.#read(
      'resproxy_operator_watch_staleness_seconds',
      'Since the API server last said anything on the watch that is silent longest.',
      () => silentMs() / 1000,
    );
  }

  #read(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }
}
