// What is told of tokens of issuers. A provider is a label because the callers file bounds how many there are.
import { Counter, Gauge, type Registry } from 'prom-client';
import { childOf2 } from './instruments.ts';

export class TokenMetrics {
  readonly #looked: (provider: string, result: string) => { inc(): void };
  readonly #fetched: (provider: string, outcome: string) => { inc(): void };
  #ages: () => Iterable<[provider: string, ageMs: number]> = () => [];

  constructor(registry: Registry) {
    const looked = new Counter({
      name: 'resproxy_tokens_total',
      help: 'Tokens of issuers that were looked at, which is when they are new or a few minutes have passed.',
      labelNames: ['provider', 'result'],
      registers: [registry],
    });
    const fetched = new Counter({
      name: 'resproxy_token_key_reads_total',
      help: 'Times that the keys of an issuer were asked for.',
      labelNames: ['provider', 'outcome'],
      registers: [registry],
    });
    const ages = () => this.#ages();
    new Gauge({
      name: 'resproxy_token_keys_age_seconds',
      help: 'Since the keys of an issuer were last read; -1 before they ever were.',
      labelNames: ['provider'],
      registers: [registry],
      collect() {
        this.reset();
        for (const [provider, ageMs] of ages()) this.set({ provider }, Number.isFinite(ageMs) ? ageMs / 1000 : -1);
      },
    });
    this.#looked = childOf2((provider, result) => looked.labels(provider, result));
    this.#fetched = childOf2((provider, outcome) => fetched.labels(provider, outcome));
  }

  /** `provider` is empty where the token is of nobody that is known. */
  looked(provider: string, result: string): void {
    this.#looked(provider, result).inc();
  }

  fetched(provider: string, outcome: 'ok' | 'failed'): void {
    this.#fetched(provider, outcome).inc();
  }

  /** Read at each scrape. */
  followKeys(ages: () => Iterable<[provider: string, ageMs: number]>): void {
    this.#ages = ages;
  }
}
