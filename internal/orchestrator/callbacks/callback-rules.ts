// Which receivers a callback may go to. The internet at large: https to public addresses. Inside the organisation: what
// RESPROXY_CALLBACK_ALLOW names, by address or by name, and there plain http too.
import { type Endpoint, parseEndpoint } from '../../guard/endpoint.ts';
import { Guard } from '../../guard/guard.ts';
import type { OwnNetwork } from '../../guard/own-network.ts';

/** `name` and whatever is under it, on one port. */
interface AllowedName {
  readonly name: string;
  readonly port: number;
}

export type AllowedReceiver =
  | { readonly kind: 'endpoint'; readonly endpoint: Endpoint }
  | ({ readonly kind: 'name' } & AllowedName);

const namePattern = /^\.?((?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(\d{1,5})$/i;

/** Reads `address/prefix:port` or `name:port`. Throws an Error whose message completes "ITEM: ...". */
export function parseReceiver(text: string): AllowedReceiver {
  if (text.includes('/')) return { kind: 'endpoint', endpoint: parseEndpoint(text) };
  const [, name, portText] = namePattern.exec(text) ?? [];
  const port = Number(portText);
  if (!name || /^[\d.]+$/.test(name))
    throw new Error('must be address/prefix:port, as 10.0.0.0/8:8443, or name:port, as hooks.example.org:8080');
  if (port < 1 || port > 65_535) throw new Error('has a port that is not between 1 and 65535');
  return { kind: 'name', name: name.toLowerCase(), port };
}

const publicPort = 443;

export class CallbackRules {
  readonly #endpoints: readonly Endpoint[];
  readonly #names: readonly AllowedName[];
  readonly #own: OwnNetwork;

  constructor(allowed: readonly AllowedReceiver[], own: OwnNetwork) {
    this.#endpoints = allowed.flatMap((receiver) => (receiver.kind === 'endpoint' ? [receiver.endpoint] : []));
    this.#names = allowed.flatMap((receiver) => (receiver.kind === 'name' ? [receiver] : []));
    this.#own = own;
  }

  /** What is wrong with a receiver as it is written, completing "callback.url ..."; its address is judged at delivery. */
  readonly fault = (url: URL): string | undefined => {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return 'must be an https URL';
    if (this.#isInside(url)) return undefined;
    if (url.protocol === 'http:') return 'must be https: http is only for receivers that RESPROXY_CALLBACK_ALLOW names';
    return portOf(url) === publicPort ? undefined : 'has a port that RESPROXY_CALLBACK_ALLOW does not name';
  };

  /** Judges every address that the receiver's name resolves to. */
  guardFor(url: URL): Guard {
    const port = portOf(url);
    const exceptions = this.#isNamed(url)
      ? [parseEndpoint(`0.0.0.0/0:${port}`), parseEndpoint(`[::]/0:${port}`)]
      : this.#endpoints;
    const allowPorts = url.protocol === 'https:' ? [publicPort] : [];
    return new Guard({ own: this.#own, allowPorts, allowEndpoints: exceptions });
  }

  /** A name may turn out to resolve to an address that was allowed; which one is seen at delivery. */
  #isInside(url: URL): boolean {
    return this.#isNamed(url) || this.#endpoints.some(({ port }) => port === portOf(url));
  }

  #isNamed(url: URL): boolean {
    const host = url.hostname.toLowerCase();
    return this.#names.some(({ name, port }) => port === portOf(url) && (host === name || host.endsWith(`.${name}`)));
  }
}

export function portOf(url: URL): number {
  return url.port === '' ? (url.protocol === 'https:' ? publicPort : 80) : Number(url.port);
}
