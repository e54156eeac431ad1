// Callers with tokens of their ServiceAccounts: two namespaces with an account `checker` each, and orchestrators that grant
// something to the first.
import { Cluster } from '../../harness/cluster.ts';
import { RestCaller } from '../../harness/rest-caller.ts';
import type { Use } from '../../harness/story.ts';
import { Kube } from './kube.ts';

export const discoveryRole = 'system:service-account-issuer-discovery';
/** A token for the project, and not for the API server. */
export const forUs = ['--audience', 'resproxy', '--duration', '10m'];

export class TokenLab {
  readonly kube: Kube;
  readonly namespace: string;
  /** Where nothing is granted. */
  readonly other: string;

  private constructor(kube: Kube, namespace: string, other: string) {
    this.kube = kube;
    this.namespace = namespace;
    this.other = other;
  }

  static async make(use: Use): Promise<TokenLab> {
    const kube = use(await Kube.start());
    const lab = new TokenLab(kube, await kube.namespace(), await kube.namespace());
    for (const namespace of [lab.namespace, lab.other])
      await kube.kubectl('create', 'serviceaccount', 'checker', '-n', namespace);
    return lab;
  }

  /** Lets orchestrators read the keys of the cluster's tokens. */
  bind(): Promise<void> {
    return this.kube.bindCluster(discoveryRole, this.namespace, 'resproxy-orchestrator');
  }

  async orchestrator(use: Use): Promise<Cluster> {
    const { kube, namespace } = this;
    const grants = [{ namespace, serviceAccount: 'checker', tenant: 'ads', scopes: ['jobs:run', 'jobs:read'] }];
    return use(
      await Cluster.start({
        env: { KUBECONFIG: await kube.kubeconfigOf(namespace, 'resproxy-orchestrator') },
        providers: [{ name: 'cluster', type: 'kubernetes', grants }],
      }),
    );
  }

  token(...args: readonly string[]): Promise<string> {
    return this.tokenIn(this.namespace, ...args);
  }

  async tokenIn(namespace: string, ...args: readonly string[]): Promise<string> {
    return (await this.kube.kubectl('create', 'token', 'checker', '-n', namespace, ...args)).trim();
  }

  by({ ports }: Cluster, token: string): RestCaller {
    return new RestCaller(ports.http, token);
  }

  /** With a new token. */
  async caller(cluster: Cluster, ...args: readonly string[]): Promise<RestCaller> {
    return this.by(cluster, await this.token(...args));
  }
}

/** What the door says to a caller that wants to read jobs. */
export async function told(caller: RestCaller): Promise<string> {
  const { status, json } = await caller.get('/jobs');
  return `${status} ${(json.detail as string | undefined) ?? 'OK'}`;
}
