// From the setting to the source of keys: the part of the composition root that knows both kinds.
import type { Clock, Random } from '../kit/clock.ts';
import type { Logger } from '../kit/log.ts';
import { version } from '../kit/program.ts';
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

/** With what this program is given to reach the API server; loaded only where that is used. */
export async function connectKubernetes() {
  const { loadCredentials } = await import('../kube/credentials.ts');
  const { KubeClient } = await import('../kube/kube-client.ts');
  const credentials = await loadCredentials();
  const client = new KubeClient({ credentials, userAgent: `resproxy-orchestrator/${version}` });
  return { client, close: () => credentials.close() };
}
