// From the setting to the source of keys: the part of the composition root that knows both kinds.
import type { Clock, Random } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import { version } from '../kit/program.ts';
import { loadCredentials } from '../kube/credentials.ts';
import { KubeClient } from '../kube/kube-client.ts';
import { FileKeys } from './keys/file-keys.ts';
import type { KeySource } from './keys/key-source.ts';
import { KubernetesKeys, type WatchedNamespace } from './keys/kubernetes-keys.ts';

export type { WatchedNamespace } from './keys/kubernetes-keys.ts';

export type KeysConfig =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'kubernetes'; readonly namespaces: readonly WatchedNamespace[] };

export interface KeysContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export function openKeys(config: KeysConfig, context: KeysContext): KeySource {
  if (config.kind === 'file') return new FileKeys({ path: config.path, ...context });
  return new KubernetesKeys({ namespaces: config.namespaces, connect: connectKubernetes, ...context });
}

/** With what this program is given to reach the API server. */
export async function connectKubernetes() {
  const credentials = await loadCredentials();
  const client = new KubeClient({ credentials, userAgent: `resproxy-orchestrator/${version}` });
  return { client, close: () => credentials.close() };
}
