// Keys from AgentKey resources, watched in each namespace that the platform lists. Orchestrators read the spec by
// themselves, so that suspending, expiring and deleting a key works while the operator is away; they see digests only and
// have no right to Secrets. While the API server is away, what is known stays, and its times are kept.
import { issuedBy } from '../../agentkey/key-id.ts';
import { type AgentKey, agentKeys, nameOf, parseAgentKey } from '../../agentkey/resource.ts';
import type { Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { KubeClient } from '../../kube/kube-client.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { WatchedCollection } from '../../kube/watched-collection.ts';
import type { KeySource } from './key-source.ts';
import { type KeyPolicy, policySchema } from './policy.ts';

export interface WatchedNamespace {
  readonly namespace: string;
  /** The only tenant that its keys may serve; undefined: whatever they say. */
  readonly tenant: string | undefined;
}

export interface KubeConnection {
  readonly client: Pick<KubeClient, 'page' | 'watch'>;
  close(): Promise<void>;
}

export interface KubernetesKeysOptions {
  readonly namespaces: readonly WatchedNamespace[];
  /** Asked once, at the start: what it takes to reach the API server is only loaded where it is used. */
  readonly connect: () => Promise<KubeConnection>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

type Policies = readonly KeyPolicy[];
type Fault = { readonly fault: string };

export class KubernetesKeys implements KeySource {
  readonly #options: KubernetesKeysOptions;
  /** What each AgentKey allows; as long as it is usable. */
  readonly #policies = new Map<string, Policies>();
  /** What was said of an AgentKey that is not usable, so that it is said once. */
  readonly #faults = new Map<string, string>();
  readonly #doubles = new Set<string>();
  #collections: WatchedCollection<KubeObject>[] = [];
  #connection: KubeConnection | undefined;
  #keys: ReadonlyMap<string, KeyPolicy> = new Map();
  #listener: (() => void) | undefined;
  #started = false;
  #stopped = false;
  #changed = false;

  constructor(options: KubernetesKeysOptions) {
    this.#options = options;
  }

  get keys(): ReadonlyMap<string, KeyPolicy> {
    return this.#keys;
  }

  /** Resolves once every namespace was listed, however long the API server is away. */
  async start(): Promise<void> {
    const connection = await this.#options.connect();
    if (this.#stopped) return await connection.close();
    this.#connection = connection;
    this.#collections = this.#options.namespaces.map((watched) => this.#watch(connection.client, watched));
    await Promise.all(this.#collections.map((collection) => collection.start()));
    this.#started = true;
    this.#replace();
  }

  stop(): void {
    this.#stopped = true;
    const stopping = Promise.all(this.#collections.map((collection) => collection.stop()));
    void stopping.then(() => this.#connection?.close()).catch(() => {});
  }

  onChange(listener: () => void): void {
    this.#listener = listener;
  }

  /** Since the API server last said anything, of the namespace where that is longest. */
  get stalenessSeconds(): number {
    const silences = this.#collections.map(({ silentMs }) => silentMs ?? Number.POSITIVE_INFINITY);
    return Math.max(0, ...silences) / 1000;
  }

  #watch(client: KubeConnection['client'], { namespace, tenant }: WatchedNamespace) {
    const { clock, random, log } = this.#options;
    return new WatchedCollection<KubeObject>({
      client,
      kind: agentKeys,
      namespace,
      clock,
      random,
      onTouched: (key, object) => this.#take(key, object, tenant),
      onFault: ({ fault, message }) =>
        log.warn({ namespace, fault, error: message }, 'AgentKeys cannot be watched; the keys stay'),
    });
  }

  #take(key: string, object: KubeObject | undefined, tenant: string | undefined): void {
    const read = object && object.metadata.deletionTimestamp === undefined ? policiesOf(object, tenant) : [];
    if ('fault' in read) this.#refuse(key, read.fault);
    else this.#faults.delete(key);
    if ('fault' in read || read.length === 0) this.#policies.delete(key);
    else this.#policies.set(key, read);
    this.#replaceSoon();
  }

  #refuse(key: string, fault: string): void {
    if (this.#faults.get(key) === fault) return;
    this.#faults.set(key, fault);
    this.#options.log.error({ agentKey: key, fault }, 'an AgentKey cannot be used: its keys are refused');
  }

  /** A list of thousands is one change. */
  #replaceSoon(): void {
    if (!this.#started || this.#changed) return;
    this.#changed = true;
    queueMicrotask(() => {
      this.#changed = false;
      if (!this.#stopped) this.#replace();
    });
  }

  #replace(): void {
    const { keys, doubles } = withoutDoubles(this.#policies.values());
    for (const keyId of doubles)
      if (!this.#doubles.has(keyId)) this.#options.log.error({ keyId }, 'two keys have this id: both are refused');
    this.#doubles.clear();
    for (const keyId of doubles) this.#doubles.add(keyId);
    this.#keys = keys;
    this.#listener?.();
  }
}

/** Every key that the AgentKey lists, as a policy. */
export function policiesOf(object: KubeObject, tenant: string | undefined): Policies | Fault {
  const parsed = parseAgentKey(object);
  if (!parsed.ok) return { fault: parsed.fault };
  const { agentKey } = parsed;
  const { metadata, spec, status } = agentKey;
  if (tenant !== undefined && spec.tenants.length > 0 && !spec.tenants.includes(tenant))
    return { fault: `spec.tenants: none of them is ${tenant}, whom this namespace belongs to` };
  const policies: KeyPolicy[] = [];
  for (const { id, digest, notAfter } of status.keys) {
    if (!issuedBy(metadata.uid, id)) return { fault: `status.keys: key ${id} was not made for this AgentKey` };
    const policy = policySchema.safeParse({
      id,
      digest,
      name: nameOf(metadata),
      labels: spec.labels,
      tenants: tenant === undefined ? spec.tenants : [tenant],
      maxAgents: spec.maxAgents,
      limits: spec.limits,
      notAfter: earlier(notAfter, spec.expiresAt),
      suspended: spec.suspend,
    });
    if (!policy.success) return { fault: policy.error.issues.map(toText).join('; ') };
    policies.push(policy.data);
  }
  return policies;
}

function earlier(a: string | undefined, b: AgentKey['spec']['expiresAt']): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return Date.parse(a) <= Date.parse(b) ? a : b;
}

function toText({ path, message }: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return `${path.join('.')} ${message}`;
}

function withoutDoubles(all: Iterable<Policies>): { keys: Map<string, KeyPolicy>; doubles: ReadonlySet<string> } {
  const keys = new Map<string, KeyPolicy>();
  const doubles = new Set<string>();
  for (const policies of all)
    for (const policy of policies) {
      if (keys.has(policy.id)) doubles.add(policy.id);
      keys.set(policy.id, policy);
    }
  for (const keyId of doubles) keys.delete(keyId);
  return { keys, doubles };
}
