// The Secret of an AgentKey: what stands in it, whose it is, and what would have to change for it to be right. The data
// names are those of the agent's settings, so that the Secret can be handed over as it is.
import { type AgentKey, apiVersion } from '../../agentkey/resource.ts';
import { digestOf } from '../../kit/digest.ts';
import type { KubeObject, ObjectMeta, OwnerReference } from '../../kube/objects.ts';

export interface Secret extends KubeObject {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly type?: string;
  readonly immutable?: boolean;
  /** In base64. */
  readonly data?: Readonly<Record<string, string>>;
}

export interface NewSecret {
  readonly apiVersion: 'v1';
  readonly kind: 'Secret';
  readonly type: 'Opaque';
  readonly metadata: Partial<ObjectMeta>;
  readonly data: Readonly<Record<string, string>>;
}

/** What makes a Secret this object's, whoever may have copied names and labels. */
export const uidAnnotation = 'resproxy.dev/agentkey-uid';
/** Secrets are watched by this label, so that no other Secret is ever read without need. */
export const managedBy = { name: 'app.kubernetes.io/managed-by', value: 'resproxy-operator' } as const;

export interface KeyToHold {
  readonly id: string;
  /** The whole key; undefined leaves the one that is there. */
  readonly text: string | undefined;
}

export function secretNameOf({ metadata, spec }: AgentKey): string {
  return spec.secretName ?? metadata.name;
}

export function isOwnedBy({ metadata }: Secret, agentKey: AgentKey): boolean {
  return metadata.annotations?.[uidAnnotation] === agentKey.metadata.uid;
}

/** Digest of the key that the Secret holds; undefined when it holds none. */
export function heldDigest({ data }: Secret): string | undefined {
  const text = decoded(data?.AGENT_KEY);
  return text ? digestOf(text) : undefined;
}

/** The id that stands beside the key. */
export function heldKeyId({ data }: Secret): string {
  return decoded(data?.AGENT_KEY_ID) ?? '';
}

export function newSecret(agentKey: AgentKey, key: KeyToHold, orchWs: string): NewSecret {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type: 'Opaque',
    metadata: {
      name: secretNameOf(agentKey),
      namespace: agentKey.metadata.namespace,
      ...ownMetadata(agentKey, undefined),
    },
    data: ownData(key, orchWs),
  };
}

/** The Secret as it should be; what others added to it stays. */
export function corrected(secret: Secret, agentKey: AgentKey, key: KeyToHold, orchWs: string): Secret {
  const { labels, annotations, ownerReferences } = ownMetadata(agentKey, secret.metadata);
  return {
    ...secret,
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...secret.metadata, labels, annotations, ownerReferences },
    data: { ...secret.data, ...ownData(key, orchWs) },
  };
}

/** Whether `corrected` would change anything. */
export function isCorrect(secret: Secret, agentKey: AgentKey, key: KeyToHold, orchWs: string): boolean {
  const { labels, annotations, ownerReferences } = ownMetadata(agentKey, undefined);
  return (
    includes(secret.metadata.labels, labels) &&
    includes(secret.metadata.annotations, annotations) &&
    includes(secret.data, ownData(key, orchWs)) &&
    (secret.metadata.ownerReferences ?? []).filter(({ uid }) => uid === agentKey.metadata.uid).length ===
      ownerReferences.length
  );
}

function ownData({ id, text }: KeyToHold, orchWs: string): Record<string, string> {
  const data = { AGENT_KEY_ID: encoded(id), ORCH_WS: encoded(orchWs) };
  return text === undefined ? data : { AGENT_KEY: encoded(text), ...data };
}

type OwnMetadata = Required<Pick<ObjectMeta, 'labels' | 'annotations' | 'ownerReferences'>>;

function ownMetadata({ metadata, spec }: AgentKey, present: ObjectMeta | undefined): OwnMetadata {
  const others = (present?.ownerReferences ?? []).filter(({ uid }) => uid !== metadata.uid);
  const own: OwnerReference = {
    apiVersion,
    kind: 'AgentKey',
    name: metadata.name,
    uid: metadata.uid,
    controller: true,
    blockOwnerDeletion: false,
  };
  return {
    labels: { ...present?.labels, ...spec.secretTemplate.labels, [managedBy.name]: managedBy.value },
    annotations: { ...present?.annotations, ...spec.secretTemplate.annotations, [uidAnnotation]: metadata.uid },
    ownerReferences: spec.deletionPolicy === 'Delete' ? [...others, own] : others,
  };
}

function includes(present: Readonly<Record<string, string>> = {}, wanted: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => present[name] === value);
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64');
}

function decoded(text: string | undefined): string | undefined {
  return text === undefined ? undefined : Buffer.from(text, 'base64').toString();
}
