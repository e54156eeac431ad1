// A cluster as the issuer of its ServiceAccounts' tokens. Both documents are asked of the API server itself, whatever
// address its configuration names: that one is for the world outside, and this program has a way in already.
import { type IssuerDocuments, type Published, parseConfiguration } from './documents.ts';
import type { KubernetesIssuer } from './issuer-config.ts';

/** The API server, as this program is known to it. */
export interface ClusterReader {
  document(path: string): Promise<unknown>;
}

export class KubernetesDocuments implements IssuerDocuments {
  readonly #config: KubernetesIssuer;
  readonly #connect: () => Promise<ClusterReader>;

  constructor(config: KubernetesIssuer, connect: () => Promise<ClusterReader>) {
    this.#config = config;
    this.#connect = connect;
  }

  async read(): Promise<Published> {
    const server = await this.#connect();
    const { issuer } = parseConfiguration(await server.document('/.well-known/openid-configuration'));
    if (this.#config.issuer !== undefined && this.#config.issuer !== issuer)
      throw new Error(`the API server's configuration says that its tokens are of ${issuer}`);
    return { issuer, keys: await server.document('/openid/v1/jwks') };
  }
}
