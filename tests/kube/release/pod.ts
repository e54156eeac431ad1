// Pods as the API server shows them, as far as somebody who runs one has to read them.
export interface Container {
  readonly name: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvVar[];
  readonly volumeMounts?: readonly VolumeMount[];
}

export interface EnvVar {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: { readonly name: string; readonly key: string };
    readonly fieldRef?: { readonly fieldPath: string };
  };
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
}

export interface Volume {
  readonly name: string;
  readonly secret?: { readonly secretName: string };
  readonly configMap?: { readonly name: string };
  readonly projected?: { readonly sources: readonly Source[] };
  readonly emptyDir?: object;
  readonly persistentVolumeClaim?: object;
}

/** Of a projected volume: what the API server gives every pod that may know its ServiceAccount. */
export interface Source {
  readonly serviceAccountToken?: { readonly path: string };
  readonly configMap?: { readonly name: string };
  readonly downwardAPI?: { readonly items: readonly { readonly path: string; readonly fieldRef: FieldRef }[] };
}

interface FieldRef {
  readonly fieldPath: string;
}

export interface Pod {
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly uid: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: {
    readonly nodeName?: string;
    readonly serviceAccountName: string;
    readonly containers: readonly Container[];
    readonly initContainers?: readonly Container[];
    readonly volumes?: readonly Volume[];
  };
  readonly status: { readonly phase: string; readonly podIP?: string };
}

export function containerOf({ metadata, spec }: Pod, name: string): Container {
  const found = [...spec.containers, ...(spec.initContainers ?? [])].find((container) => container.name === name);
  if (!found) throw new Error(`${metadata.name} has no container ${name}`);
  return found;
}

/** What the downward API answers. */
export function fieldOf(pod: Pod, path: string): string {
  const value = path
    .split('.')
    .reduce<unknown>((found, key) => (found as Record<string, unknown> | undefined)?.[key], pod);
  if (typeof value !== 'string') throw new Error(`${pod.metadata.name} has no ${path}`);
  return value;
}
