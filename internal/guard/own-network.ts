// The addresses that are this machine's or its home's although they are public: its subnets, its gateways, and the
// address that the pod sees it come from. A job to one of them would reach the inside by its outside name.
import { networkInterfaces } from 'node:os';
import type { Clock } from '../kit/clock.ts';
import { type Address, inRange, parseAddress, parseRange, type Range, specialRange, underlying } from './address.ts';
import { defaultGateways } from './gateways.ts';

export interface OwnNetworkOptions {
  readonly clock: Clock;
  readonly interfaces?: typeof networkInterfaces;
  readonly gateways?: () => Address[];
  /** The machine is asked again after this long at the earliest. */
  readonly refreshMs?: number;
}

export class OwnNetwork {
  readonly #clock: Clock;
  readonly #interfaces: typeof networkInterfaces;
  readonly #gateways: () => Address[];
  readonly #refreshMs: number;
  /** Only ranges that are public by themselves: the others are refused before anybody asks here. */
  #ranges: readonly Range[] = [];
  #readAtMs = Number.NEGATIVE_INFINITY;
  /** One per address family, so that a home with both keeps both. */
  readonly #observed = new Map<string, Range>();

  constructor({ clock, interfaces, gateways, refreshMs }: OwnNetworkOptions) {
    this.#clock = clock;
    this.#interfaces = interfaces ?? networkInterfaces;
    this.#gateways = gateways ?? defaultGateways;
    this.#refreshMs = refreshMs ?? 10_000;
  }

  /** Takes the agent's address as the pod sees it; text that is no address is ignored. */
  observe(text: string): void {
    const parsed = parseAddress(text);
    if (!parsed) return;
    const address = underlying(parsed);
    this.#observed.set(address.kind(), homeOf(address));
  }

  includes(address: Address): boolean {
    this.#refresh();
    const real = underlying(address);
    for (const range of this.#observed.values()) if (inRange(real, range)) return true;
    return this.#ranges.some((range) => inRange(real, range) || inRange(address, range));
  }

  #refresh(): void {
    const now = this.#clock.now();
    if (now - this.#readAtMs < this.#refreshMs) return;
    this.#readAtMs = now;
    const subnets = Object.values(this.#interfaces()).flatMap((list) => (list ?? []).map(subnetOf));
    this.#ranges = [...subnets, ...this.#gateways().map(hostRange)].filter(([address]) => !specialRange(address));
  }
}

function subnetOf({ cidr, address, family }: { cidr: string | null; address: string; family: string }): Range {
  return parseRange(cidr ?? `${address}/${family === 'IPv6' ? 128 : 32}`);
}

function hostRange(address: Address): Range {
  return [address, address.kind() === 'ipv6' ? 128 : 32];
}

/** A home has one IPv4 address and at least a /64 of IPv6. */
function homeOf(address: Address): Range {
  return [address, address.kind() === 'ipv6' ? 64 : 32];
}
