// Whether this machine may talk to an address and port: the rules of its owner, pure but for the list of the machine's
// own networks. Whoever connects asks here for every address, after the name was resolved and before a packet leaves.
import { parseAddress, specialRange } from './address.ts';
import { covers, type Endpoint } from './endpoint.ts';
import type { OwnNetwork } from './own-network.ts';

export type Verdict =
  | { readonly kind: 'allowed' }
  /** `range` names what the address is, for the log of the machine's owner. */
  | { readonly kind: 'prohibited-address'; readonly range: string }
  | { readonly kind: 'port-refused' };

export interface GuardOptions {
  readonly own: OwnNetwork;
  /** Ports of public addresses that may be reached. */
  readonly allowPorts: readonly number[];
  /** Exceptions to both rules, whatever the address is. */
  readonly allowEndpoints: readonly Endpoint[];
}

const allowed: Verdict = { kind: 'allowed' };
const portRefused: Verdict = { kind: 'port-refused' };

export class Guard {
  readonly #own: OwnNetwork;
  readonly #ports: ReadonlySet<number>;
  readonly #endpoints: readonly Endpoint[];

  constructor({ own, allowPorts, allowEndpoints }: GuardOptions) {
    this.#own = own;
    this.#ports = new Set(allowPorts);
    this.#endpoints = allowEndpoints;
  }

  /** A forbidden address is named as such even when its port is refused too. */
  judge(text: string, port: number): Verdict {
    const address = parseAddress(text);
    if (!address) return prohibited('unreadable');
    if (this.#endpoints.some((endpoint) => covers(endpoint, address, port))) return allowed;
    const special = specialRange(address);
    if (special !== undefined) return prohibited(special);
    if (this.#own.includes(address)) return prohibited('own');
    return this.#ports.has(port) ? allowed : portRefused;
  }

  /** The agent's address as the pod sees it. */
  observe(address: string): void {
    this.#own.observe(address);
  }
}

function prohibited(range: string): Verdict {
  return { kind: 'prohibited-address', range };
}
