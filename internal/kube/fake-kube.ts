// An API server in memory, for tests of what lists and watches: it can be away, break watches off, and forget.
import type { Page, WatchEvent } from './kube-client.ts';
import { KubeError } from './kube-error.ts';
import { type Kind, type KubeObject, keyOf } from './objects.ts';

export class FakeKube {
  /** Answers nothing. */
  down = false;
  lists = 0;
  readonly #objects = new Map<string, KubeObject>();
  readonly #watches = new Set<Watcher>();
  #version = 10;
  /** Versions before this one are forgotten. */
  #oldest = 0;

  put(object: KubeObject): void {
    const key = keyOf(object.metadata);
    const type = this.#objects.has(key) ? 'MODIFIED' : 'ADDED';
    const stored = this.#versioned(object);
    this.#objects.set(key, stored);
    this.#tell({ type, object: stored });
  }

  remove(key: string): void {
    const object = this.#objects.get(key);
    if (!object) return;
    this.#objects.delete(key);
    this.#tell({ type: 'DELETED', object: this.#versioned(object) });
  }

  /** Gone while nobody watched. */
  removeSilently(key: string): void {
    this.#objects.delete(key);
    this.#version++;
  }

  forget(): void {
    this.#oldest = ++this.#version;
  }

  get watching(): number {
    return this.#watches.size;
  }

  breakWatches(): void {
    for (const watch of this.#watches) watch.fail(new KubeError('unreachable', 'broken off'));
  }

  endWatches(): void {
    for (const watch of this.#watches) watch.end();
  }

  async page<T extends KubeObject>(_kind: Kind, namespace: string | undefined): Promise<Page<T>> {
    if (this.down) throw new KubeError('unreachable', 'away');
    this.lists++;
    const items = [...this.#objects.values()].filter(
      ({ metadata }) => metadata.namespace === (namespace ?? metadata.namespace),
    );
    return { metadata: { resourceVersion: String(this.#version) }, items: items as unknown as T[] };
  }

  async *watch(
    _kind: Kind,
    _namespace: string | undefined,
    query: Readonly<Record<string, string | undefined>>,
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent> {
    if (this.down) throw new KubeError('unreachable', 'away');
    if (Number(query.resourceVersion) < this.#oldest) throw new KubeError('expired', 'too old');
    const watcher = new Watcher(signal);
    this.#watches.add(watcher);
    try {
      yield* watcher.events();
    } finally {
      this.#watches.delete(watcher);
    }
  }

  #versioned(object: KubeObject): KubeObject {
    return { ...object, metadata: { ...object.metadata, resourceVersion: String(++this.#version) } };
  }

  #tell(event: WatchEvent): void {
    for (const watch of this.#watches) watch.push(event);
  }
}

class Watcher {
  readonly #queue: WatchEvent[] = [];
  #over: { readonly error: Error | undefined } | undefined;
  #wake = Promise.withResolvers<void>();

  constructor(signal: AbortSignal) {
    signal.addEventListener('abort', () => this.fail(new KubeError('unreachable', 'aborted')), { once: true });
  }

  push(event: WatchEvent): void {
    this.#queue.push(event);
    this.#wake.resolve();
  }

  end(): void {
    this.#over = { error: undefined };
    this.#wake.resolve();
  }

  fail(error: Error): void {
    this.#over = { error };
    this.#wake.resolve();
  }

  async *events(): AsyncIterable<WatchEvent> {
    for (;;) {
      yield* this.#queue.splice(0);
      if (this.#over?.error) throw this.#over.error;
      if (this.#over) return;
      await this.#wake.promise;
      this.#wake = Promise.withResolvers<void>();
    }
  }
}
