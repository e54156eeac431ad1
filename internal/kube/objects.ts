// Kubernetes objects as they travel, in the parts that this project reads, and where they live.

export interface ObjectMeta {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly generation?: number;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ownerReferences?: readonly OwnerReference[];
}

export interface OwnerReference {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
  readonly uid: string;
  readonly controller?: boolean;
  readonly blockOwnerDeletion?: boolean;
}

export interface KubeObject {
  readonly metadata: ObjectMeta;
}

/** An object that is to be made; the server fills in the rest. */
export interface NewObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Partial<ObjectMeta>;
}

/** Which objects: all of a kind, in one namespace or in every one. */
export interface Kind {
  /** `/api/v1` or `/apis/GROUP/VERSION`. */
  readonly api: string;
  readonly plural: string;
}

/** `namespace` undefined: every namespace. */
export function collectionPath({ api, plural }: Kind, namespace: string | undefined): string {
  return namespace === undefined ? `${api}/${plural}` : `${api}/namespaces/${encodeURIComponent(namespace)}/${plural}`;
}

export function objectPath(kind: Kind, { namespace, name }: { namespace: string; name: string }): string {
  return `${collectionPath(kind, namespace)}/${encodeURIComponent(name)}`;
}

/** `namespace/name`, what queues and maps know an object by. */
export function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}
