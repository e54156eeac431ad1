// An issuer on the web: its keys at a fixed address, or at the one that OpenID Connect discovery names. Nothing is
// followed that the issuer did not say itself: no redirect, no other name, no plain line. undici is loaded by the first
// reading, since most pods have no issuer.
import { readFile } from 'node:fs/promises';
import type { Agent } from 'undici';
import { type IssuerDocuments, type Published, parseConfiguration } from './documents.ts';
import { isTrustedUrl, type JwksIssuer } from './issuer-config.ts';
import { issuerLimits } from './issuer-limits.ts';

export class WebDocuments implements IssuerDocuments {
  readonly #config: JwksIssuer;

  constructor(config: JwksIssuer) {
    this.#config = config;
  }

  async read(): Promise<Published> {
    const { issuer, jwksUri, caFile } = this.#config;
    // One for each reading: there are minutes between them, and a new authority is taken at once.
    const agent = await agentWith(caFile === undefined ? undefined : await readFile(caFile, 'utf8'));
    try {
      const keys = await this.#get(agent, jwksUri ?? (await this.#discover(agent)));
      return { issuer, keys };
    } finally {
      agent.destroy().catch(() => {});
    }
  }

  async #discover(agent: Agent): Promise<string> {
    const { issuer } = this.#config;
    const document = await this.#get(agent, `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const configuration = parseConfiguration(document);
    if (configuration.issuer !== issuer) throw new Error(`its configuration says that it is ${configuration.issuer}`);
    if (!isTrustedUrl(configuration.jwks_uri))
      throw new Error('its configuration names a jwks_uri that is not https://');
    return configuration.jwks_uri;
  }

  async #get(agent: Agent, url: string): Promise<unknown> {
    const { request } = await import('undici');
    const { statusCode, body } = await request(url, {
      dispatcher: agent,
      headers: { accept: 'application/json, application/jwk-set+json', ...(await this.#authorization(url)) },
      signal: AbortSignal.timeout(issuerLimits.fetchTimeoutMs),
    });
    const text = await body.text();
    if (statusCode !== 200) throw new Error(`${url} answers ${statusCode}`);
    try {
      return JSON.parse(text);
    } catch {
      throw new Error(`${url} answers with what is not JSON`);
    }
  }

  /** The token is for whom the file names, not for whoever discovery leads to. */
  async #authorization(url: string): Promise<Record<string, string>> {
    const { issuer, jwksUri, tokenFile } = this.#config;
    if (tokenFile === undefined || new URL(url).origin !== new URL(jwksUri ?? issuer).origin) return {};
    return { authorization: `Bearer ${(await readFile(tokenFile, 'utf8')).trim()}` };
  }
}

async function agentWith(ca: string | undefined): Promise<Agent> {
  const { Agent } = await import('undici');
  const { fetchTimeoutMs, maxDocumentBytes } = issuerLimits;
  return new Agent({
    allowH2: false,
    maxResponseSize: maxDocumentBytes,
    headersTimeout: fetchTimeoutMs,
    bodyTimeout: fetchTimeoutMs,
    connect: { timeout: fetchTimeoutMs, ...(ca === undefined ? {} : { ca }) },
  });
}
