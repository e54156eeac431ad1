// Where the API server is and how to prove who we are: kubeconfig files, a pod's own ServiceAccount, exec plugins. All of
// that is @kubernetes/client-node's, and this is the only file that knows it. Its generated API is left alone: it opens
// a TLS connection per request, its informer stops for good at the first error it does not expect, and both are decided
// in places that cannot be replaced (docs/adr/0026). The package costs 90 MB, so orchestrators load this file only when
// it is used.
import { isDeepStrictEqual } from 'node:util';
import { KubeConfig } from '@kubernetes/client-node';
import { Agent, type Dispatcher } from 'undici';

export interface Access {
  readonly server: string;
  readonly headers: Readonly<Record<string, string>>;
  /** For requests that answer and end. */
  readonly calls: Dispatcher;
  /** For those that stay open, each on its own connection. */
  readonly watches: Dispatcher;
}

export interface Credentials {
  /** The namespace that this program lives in, or that the kubeconfig names. */
  readonly namespace: string;
  /** Asked for every request: tokens change while a program runs. */
  access(): Promise<Access>;
  close(): Promise<void>;
}

interface TlsOptions {
  readonly ca?: Buffer | string;
  readonly cert?: Buffer | string;
  readonly key?: Buffer | string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

interface Pools {
  readonly tls: TlsOptions;
  readonly calls: Dispatcher;
  readonly watches: Dispatcher;
}

/** Calls are short and workers few; more connections would only be more handshakes for the server. */
const maxCallConnections = 2;
const keepAliveMs = 60_000;
const connectTimeoutMs = 10_000;

/** Reads KUBECONFIG, ~/.kube/config, or what a pod is given, whichever there is first. */
export async function loadCredentials(): Promise<Credentials> {
  const config = new KubeConfig();
  config.loadFromDefault();
  const cluster = config.getCurrentCluster();
  if (!cluster) throw new Error('the kubeconfig names no cluster in its current context');
  if (cluster.proxyUrl) throw new Error('a proxy-url in the kubeconfig is not supported');
  const context = config.getContextObject(config.getCurrentContext());
  let pools: Pools | undefined;
  const access = async (): Promise<Access> => {
    const options: TlsOptions & { headers?: Record<string, string>; auth?: string } = {};
    await config.applyToHTTPSOptions(options);
    const { headers = {}, auth, ca, cert, key, servername, rejectUnauthorized } = options;
    if (auth !== undefined) headers.Authorization = `Basic ${Buffer.from(auth).toString('base64')}`;
    const tls = defined({ ca, cert, key, servername, rejectUnauthorized });
    pools = keepOrReplace(pools, tls);
    return { server: cluster.server, headers, calls: pools.calls, watches: pools.watches };
  };
  return {
    namespace: context?.namespace ?? 'default',
    access,
    close: async () => void (await Promise.all([pools?.calls.destroy(), pools?.watches.destroy()])),
  };
}

/** The same certificates keep their connections; new ones get new connections, and the old end when they are done. */
function keepOrReplace(pools: Pools | undefined, tls: TlsOptions): Pools {
  if (pools && isDeepStrictEqual(pools.tls, tls)) return pools;
  if (pools) for (const pool of [pools.calls, pools.watches]) pool.close().catch(() => {});
  const shared = { keepAliveTimeout: keepAliveMs, connect: { ...tls, timeout: connectTimeoutMs }, allowH2: false };
  return { tls, calls: new Agent({ ...shared, connections: maxCallConnections }), watches: new Agent(shared) };
}

function defined(options: Readonly<Record<keyof TlsOptions, unknown>>): TlsOptions {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as TlsOptions;
}
