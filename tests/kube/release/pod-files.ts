// What a kubelet asks the API server for before a container starts: the values of its environment and the files of its
// volumes. A kind of volume that is not here is an error.
import type { ApiServer } from './api-server.ts';
import { type Container, type EnvVar, fieldOf, type Pod, type Source, type Volume } from './pod.ts';

/** Texts by file name, or a folder that the container may write into. */
export type Content = ReadonlyMap<string, string> | 'writable';

export class PodFiles {
  readonly #api: ApiServer;
  readonly #pod: Pod;

  constructor(api: ApiServer, pod: Pod) {
    this.#api = api;
    this.#pod = pod;
  }

  /** By name, with $(NAME) replaced by what was set before it. */
  env({ env = [] }: Container): Readonly<Record<string, string>> {
    const values = new Map<string, string>();
    for (const variable of env) {
      const value = this.#valueOf(variable).replace(/\$\((\w+)\)/g, (text, name) => values.get(name) ?? text);
      values.set(variable.name, value);
    }
    return Object.fromEntries(values);
  }

  content({ name, secret, configMap, projected, emptyDir, persistentVolumeClaim }: Volume): Content {
    if (secret) return this.#secret(secret.secretName);
    if (configMap) return this.#configMap(configMap.name);
    if (projected) return new Map(projected.sources.flatMap((source) => [...this.#projected(source)]));
    if (emptyDir || persistentVolumeClaim) return 'writable';
    throw new Error(`what is the volume ${name}?`);
  }

  #valueOf({ name, value, valueFrom }: EnvVar): string {
    if (valueFrom?.fieldRef) return fieldOf(this.#pod, valueFrom.fieldRef.fieldPath);
    if (!valueFrom?.secretKeyRef) return value ?? '';
    const { name: secret, key } = valueFrom.secretKeyRef;
    const found = this.#secret(secret).get(key);
    if (found === undefined) throw new Error(`${name}: the Secret ${secret} has no ${key}`);
    return found;
  }

  #projected({ serviceAccountToken, configMap, downwardAPI }: Source): ReadonlyMap<string, string> {
    if (serviceAccountToken) return new Map([[serviceAccountToken.path, this.#token()]]);
    if (configMap) return this.#configMap(configMap.name);
    if (!downwardAPI) throw new Error('what is that source of a projected volume?');
    return new Map(downwardAPI.items.map(({ path, fieldRef }) => [path, fieldOf(this.#pod, fieldRef.fieldPath)]));
  }

  /** Of the pod's ServiceAccount, and bound to the pod: it ends with it. */
  #token(): string {
    const { metadata, spec } = this.#pod;
    const bound = [
      '--bound-object-kind=Pod',
      `--bound-object-name=${metadata.name}`,
      `--bound-object-uid=${metadata.uid}`,
    ];
    return this.#api.kubectl(['create', 'token', spec.serviceAccountName, '-n', metadata.namespace, ...bound]).stdout;
  }

  #secret(name: string): ReadonlyMap<string, string> {
    const decoded = [...this.#data('secret', name)].map(
      ([key, text]) => [key, Buffer.from(text, 'base64').toString()] as const,
    );
    return new Map(decoded);
  }

  #configMap(name: string): ReadonlyMap<string, string> {
    return this.#data('configmap', name);
  }

  #data(kind: string, name: string): ReadonlyMap<string, string> {
    const args = ['get', kind, name, '-n', this.#pod.metadata.namespace, '-o', 'json'];
    const { data = {} } = JSON.parse(this.#api.kubectl(args).stdout) as { data?: Record<string, string> };
    return new Map(Object.entries(data));
  }
}
