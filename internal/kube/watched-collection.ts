// All objects of one kind as this program knows them now: listed, then watched, listed again every ten minutes and
// whenever the server forgot the version to watch from. It never gives up, and what it knew stays until it knows better.
import { fullJitterMs } from '../kit/backoff.ts';
import { type Clock, type Random, sleep } from '../kit/clock.ts';
import type { KubeClient, Page, WatchEvent } from './kube-client.ts';
import { isFault, KubeError } from './kube-error.ts';
import { type Kind, type KubeObject, keyOf } from './objects.ts';

export interface WatchedCollectionOptions<T extends KubeObject> {
  readonly client: Pick<KubeClient, 'page' | 'watch'>;
  readonly kind: Kind;
  /** Undefined: every namespace. */
  readonly namespace: string | undefined;
  readonly labelSelector?: string;
  readonly clock: Clock;
  readonly random: Random;
  /** An object is new, has changed, is gone, or was listed again: look at it. */
  readonly onTouched: (key: string, object: T | undefined) => void;
  /** Called after each list. */
  readonly onListed?: () => void;
  readonly onFault: (error: KubeError) => void;
}

export const relistMs = 10 * 60_000;
const pageSize = '500';
const retryBaseMs = 200;
const retryMaxMs = 30_000;
/** A watch that ends sooner than this counts as a failure, or an unwilling server would be asked without end. */
const shortWatchMs = 1_000;

export class WatchedCollection<T extends KubeObject> {
  readonly #options: WatchedCollectionOptions<T>;
  readonly #abort = new AbortController();
  readonly #listed = Promise.withResolvers<void>();
  #objects = new Map<string, T>();
  /** What to watch from; undefined: list first. */
  #version: string | undefined;
  #listedAt = 0;
  #heardAt: number | undefined;
  #failures = 0;
  #running: Promise<void> | undefined;

  constructor(options: WatchedCollectionOptions<T>) {
    this.#options = options;
    this.#listed.promise.catch(() => {});
  }

  /** Resolves once everything was listed, however long that takes; rejects when stopped before. */
  start(): Promise<void> {
    this.#running ??= this.#run();
    return this.#listed.promise;
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#listed.reject(new Error(`${this.#options.kind.plural}: stopped before they were listed`));
    await this.#running;
  }

  get(key: string): T | undefined {
    return this.#objects.get(key);
  }

  values(): Iterable<T> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  /** Milliseconds since the server last said anything; undefined before the first list. */
  get silentMs(): number | undefined {
    return this.#heardAt === undefined ? undefined : this.#options.clock.now() - this.#heardAt;
  }

  /** What this program has just written, known before the watch tells of it. */
  put(object: T): void {
    this.#objects.set(keyOf(object.metadata), object);
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#round(signal);
      } catch (error) {
        if (signal.aborted) return;
        await this.#recover(error, signal).catch(() => {});
      }
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    if (this.#version === undefined || clock.now() - this.#listedAt >= relistMs) await this.#list();
    if (signal.aborted) return;
    const begun = clock.now();
    await this.#watch(signal);
    if (clock.now() - begun < shortWatchMs) throw new KubeError('server', 'the watch ended at once');
    this.#failures = 0;
  }

  async #recover(error: unknown, signal: AbortSignal): Promise<void> {
    const { clock, random, onFault } = this.#options;
    if (isFault(error, 'expired')) this.#version = undefined;
    else onFault(error instanceof KubeError ? error : new KubeError('server', String(error), error));
    await sleep(clock, fullJitterMs(this.#failures++, retryBaseMs, retryMaxMs, random), signal);
  }

  async #list(): Promise<void> {
    const { clock, onTouched, onListed } = this.#options;
    const { objects, version } = await this.#pages();
    const before = this.#objects;
    this.#objects = objects;
    this.#version = version;
    this.#listedAt = clock.now();
    this.#heard();
    for (const key of before.keys()) if (!objects.has(key)) onTouched(key, undefined);
    for (const [key, object] of objects) onTouched(key, object);
    onListed?.();
    this.#listed.resolve();
  }

  async #pages(): Promise<{ objects: Map<string, T>; version: string }> {
    const { client, kind, namespace, labelSelector } = this.#options;
    const objects = new Map<string, T>();
    let next: string | undefined;
    for (;;) {
      const page: Page<T> = await client.page(kind, namespace, { labelSelector, limit: pageSize, continue: next });
      for (const object of page.items) objects.set(keyOf(object.metadata), object);
      next = page.metadata.continue || undefined;
      if (next === undefined) return { objects, version: page.metadata.resourceVersion };
    }
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { client, kind, namespace, labelSelector, clock } = this.#options;
    const leftMs = Math.max(shortWatchMs, relistMs - (clock.now() - this.#listedAt));
    const query = { labelSelector, resourceVersion: this.#version, timeoutSeconds: String(Math.ceil(leftMs / 1000)) };
    for await (const event of client.watch(kind, namespace, query, signal)) {
      this.#take(event);
      this.#heard();
    }
  }

  #take({ type, object }: WatchEvent): void {
    if (type === 'ERROR') {
      const { code, message } = object as unknown as { code?: number; message?: string };
      throw new KubeError(code === 410 ? 'expired' : 'server', `the watch ended: ${message ?? 'no reason given'}`);
    }
    this.#version = object.metadata.resourceVersion;
    if (type === 'BOOKMARK') return;
    const key = keyOf(object.metadata);
    if (type === 'DELETED') this.#objects.delete(key);
    else this.#objects.set(key, object as T);
    this.#options.onTouched(key, this.#objects.get(key));
  }

  #heard(): void {
    this.#heardAt = this.#options.clock.now();
    this.#failures = 0;
  }
}
