// From the setting to whoever knows callers: the part of the composition root that knows where issuers publish their
// keys.
import type { Ground } from './ground.ts';
import { type Authenticator, BearerAuthenticator, OpenAuthenticator } from './intake/auth/authenticator.ts';
import { CallersFile } from './intake/auth/callers-file.ts';
import { TokenCallers } from './intake/auth/token-callers.ts';
import type { IssuerDocuments } from './issuers/documents.ts';
import type { IssuerConfig } from './issuers/issuer-config.ts';
import { Issuers } from './issuers/issuers.ts';
import { type ClusterReader, KubernetesDocuments } from './issuers/kubernetes-documents.ts';
import { WebDocuments } from './issuers/web-documents.ts';
import { connectKubernetes } from './open-keys.ts';

export interface Callers {
  readonly authenticator: Authenticator;
  /** Rejects when the callers file has a fault. Issuers may be away. */
  start(): Promise<void>;
  stop(): void;
}

/** Without a file everybody is let in. */
export function openCallers(
  path: string | undefined,
  ground: Pick<Ground, 'clock' | 'random' | 'log' | 'metrics'>,
): Callers {
  if (path === undefined) return { authenticator: new OpenAuthenticator(), start: async () => {}, stop: () => {} };
  const { clock, random, log, metrics } = ground;
  const cluster = clusterReader();
  const documentsOf = (config: IssuerConfig): IssuerDocuments =>
    config.type === 'kubernetes' ? new KubernetesDocuments(config, cluster.reader) : new WebDocuments(config);
  const issuers = new Issuers({
    documentsOf,
    clock,
    random,
    log,
    onFetch: (provider, outcome) => metrics.tokens.fetched(provider, outcome),
    onKeysChanged: () => tokens.forget(),
  });
  const tokens = new TokenCallers({
    verify: (token, door) => issuers.verify(token, door),
    clock,
    observer: {
      looked: (provider, result) => metrics.tokens.looked(provider, result),
      ungranted: (provider, subject) => log.warn({ provider, subject }, 'a token is good, and no grant fits it'),
    },
  });
  metrics.tokens.followKeys(() => issuers.ages());
  const file = new CallersFile({
    path,
    clock,
    log,
    onProviders: (providers) => {
      issuers.replace(providers);
      tokens.replace(providers);
    },
  });
  return {
    authenticator: new BearerAuthenticator(file, tokens),
    start: () => file.start(),
    stop: () => {
      file.stop();
      issuers.stop();
      cluster.close();
    },
  };
}

/** Connected when it is first asked, since what that takes is large; anew after a failure. */
function clusterReader(): { readonly reader: () => Promise<ClusterReader>; close(): void } {
  let connecting: ReturnType<typeof connectKubernetes> | undefined;
  return {
    reader: async () => {
      connecting ??= connectKubernetes();
      try {
        return (await connecting).client;
      } catch (error) {
        connecting = undefined;
        throw error;
      }
    },
    close: () => void connecting?.then(({ close }) => close()).catch(() => {}),
  };
}
