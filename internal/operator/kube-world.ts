// The cluster as the reconciler sees it: AgentKeys and their Secrets, watched in each namespace, and the writes. What this
// process wrote is known here at once, so that it is never taken for a change that somebody else has yet to explain.
import { type AgentKeyStatus, agentKeys, nameOf } from '../agentkey/resource.ts';
import type { Clock, Random } from '../kit/clock.ts';
import type { KubeClient } from '../kube/kube-client.ts';
import { KubeError } from '../kube/kube-error.ts';
import { type Kind, type KubeObject, keyOf } from '../kube/objects.ts';
import { WatchedCollection } from '../kube/watched-collection.ts';
import type { EventRecorder } from './event-recorder.ts';
import type { Note } from './reconcile/notes.ts';
import type { AgentKeyWorld } from './reconcile/reconciler.ts';
import { managedBy, type NewSecret, type Secret } from './reconcile/secret.ts';

export interface KubeWorldOptions {
  readonly client: KubeClient;
  /** Undefined stands for all of them. */
  readonly namespaces: readonly string[] | undefined;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly random: Random;
  /** Something about this AgentKey may have changed. */
  readonly onTouched: (key: string) => void;
  readonly onFault: (error: KubeError) => void;
  /** Agents connected with the key of that name. */
  readonly countAgents: (name: string) => number | undefined;
}

interface Watched {
  readonly agentKeys: WatchedCollection<KubeObject>;
  readonly secrets: WatchedCollection<Secret>;
}

const secretKind: Kind = { api: '/api/v1', plural: 'secrets' };
const everywhere = '*';

export class KubeWorld implements AgentKeyWorld {
  readonly #options: KubeWorldOptions;
  readonly #watched = new Map<string, Watched>();
  /** Who writes to a Secret, so that a change of it is looked into: AgentKeys by the key of the Secret. */
  readonly #writers = new Map<string, Set<string>>();
  readonly #secretOf = new Map<string, string>();

  constructor(options: KubeWorldOptions) {
    this.#options = options;
    for (const namespace of options.namespaces ?? [everywhere]) this.#watched.set(namespace, this.#watch(namespace));
  }

  /** Resolves once everything was listed. */
  async start(): Promise<void> {
    await Promise.all(this.#collections().map((collection) => collection.start()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#collections().map((collection) => collection.stop()));
  }

  /** The longest that a watch has been silent. */
  get silentMs(): number {
    return Math.max(...this.#collections().map(({ silentMs }) => silentMs ?? Number.POSITIVE_INFINITY));
  }

  *keys(): Iterable<string> {
    for (const { agentKeys } of this.#watched.values())
      for (const { metadata } of agentKeys.values()) yield keyOf(metadata);
  }

  get size(): number {
    let size = 0;
    for (const { agentKeys } of this.#watched.values()) size += agentKeys.size;
    return size;
  }

  agentKey(key: string): KubeObject | undefined {
    return this.#in(key.slice(0, key.indexOf('/'))).agentKeys.get(key);
  }

  /** One that is not known is asked for: it may be somebody else's, or have lost the label that it is watched by. */
  async secret(at: { namespace: string; name: string }): Promise<Secret | undefined> {
    return this.#in(at.namespace).secrets.get(keyOf(at)) ?? (await this.#options.client.get<Secret>(secretKind, at));
  }

  async writeStatus(agentKey: KubeObject, status: AgentKeyStatus): Promise<KubeObject> {
    const written = await this.#options.client.replaceStatus(agentKeys, { ...agentKey, status });
    this.#in(agentKey.metadata.namespace).agentKeys.put(written);
    return written;
  }

  async createSecret(secret: NewSecret): Promise<void> {
    const { namespace = '' } = secret.metadata;
    const created = await this.#options.client.create(secretKind, namespace, secret);
    this.#in(namespace).secrets.put(created);
  }

  async replaceSecret(secret: Secret): Promise<void> {
    const replaced = await this.#options.client.replace(secretKind, secret);
    this.#in(secret.metadata.namespace).secrets.put(replaced);
  }

  note(agentKey: KubeObject, note: Note): void {
    this.#options.events.record(agentKey, note);
  }

  connected({ metadata }: KubeObject): number | undefined {
    return this.#options.countAgents(nameOf(metadata));
  }

  #in(namespace: string): Watched {
    const watched = this.#watched.get(everywhere) ?? this.#watched.get(namespace);
    if (!watched) throw new KubeError('forbidden', `namespace ${namespace} is not watched`);
    return watched;
  }

  #collections(): WatchedCollection<KubeObject>[] {
    return [...this.#watched.values()].flatMap(({ agentKeys, secrets }) => [agentKeys, secrets]);
  }

  #watch(namespace: string): Watched {
    const { client, clock, random, onFault } = this.#options;
    const shared = { client, namespace: namespace === everywhere ? undefined : namespace, clock, random, onFault };
    return {
      agentKeys: new WatchedCollection({
        ...shared,
        kind: agentKeys,
        onTouched: (key, object) => this.#agentKeyTouched(key, object),
      }),
      secrets: new WatchedCollection<Secret>({
        ...shared,
        kind: secretKind,
        labelSelector: `${managedBy.name}=${managedBy.value}`,
        onTouched: (key) => this.#secretTouched(key),
      }),
    };
  }

  #agentKeyTouched(key: string, object: KubeObject | undefined): void {
    if (object) this.#writes(key, secretKeyOf(object));
    else this.#writesNoMore(key);
    this.#options.onTouched(key);
  }

  #secretTouched(secretKey: string): void {
    for (const key of this.#writers.get(secretKey) ?? []) this.#options.onTouched(key);
  }

  #writes(key: string, secretKey: string): void {
    if (this.#secretOf.get(key) === secretKey) return;
    this.#writesNoMore(key);
    this.#secretOf.set(key, secretKey);
    const writers = this.#writers.get(secretKey);
    if (writers) writers.add(key);
    else this.#writers.set(secretKey, new Set([key]));
  }

  #writesNoMore(key: string): void {
    const secretKey = this.#secretOf.get(key) ?? '';
    this.#secretOf.delete(key);
    const writers = this.#writers.get(secretKey);
    writers?.delete(key);
    if (writers?.size === 0) this.#writers.delete(secretKey);
  }
}

function secretKeyOf(object: KubeObject & { readonly spec?: { readonly secretName?: unknown } }): string {
  const { namespace, name } = object.metadata;
  const secretName = object.spec?.secretName;
  return keyOf({ namespace, name: typeof secretName === 'string' ? secretName : name });
}
