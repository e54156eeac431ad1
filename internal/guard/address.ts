// Which addresses lie on the public internet, by the IANA special-purpose registries: only global unicast does.
// An IPv6 address that carries an IPv4 one (v4-mapped, NAT64, 6to4) is judged by what it carries.
import { isIP, isIPv4 } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Address = ipaddr.IPv4 | ipaddr.IPv6;
/** A network address and the length of its prefix. */
export type Range = readonly [Address, number];

/** What URL, resolver and socket write; undefined for anything else, and for an address with a zone. */
export function parseAddress(text: string): Address | undefined {
  if (isIP(text) === 0 || text.includes('%')) return undefined;
  // ipaddr.js reads a v4-compatible address as the v4-mapped one.
  const compatible = text.startsWith('::') ? text.slice(2) : '';
  return ipaddr.parse(isIPv4(compatible) ? `0:0:0:0:0:0:${compatible}` : text);
}

export function parseRange(text: string): Range {
  return ipaddr.parseCIDR(text);
}

/** Whether two spellings mean one address. */
export function sameAddress(one: string, other: string): boolean {
  return one === other || parseAddress(one)?.toNormalizedString() === parseAddress(other)?.toNormalizedString();
}

export function inRange(address: Address, [network, prefix]: Range): boolean {
  return address.kind() === network.kind() && address.match(network, prefix);
}

/** The IPv4 address that packets to this one end up at, or the address itself. */
export function underlying(address: Address): Address {
  for (const { range, offset } of carriers)
    if (inRange(address, range)) return ipaddr.fromByteArray(address.toByteArray().slice(offset, offset + 4));
  return address;
}

const carriers = [
  { range: parseRange('::ffff:0:0/96'), offset: 12 },
  { range: parseRange('64:ff9b::/96'), offset: 12 },
  { range: parseRange('2002::/16'), offset: 2 },
];

/** The name of the special range that holds the address; undefined: it is public. */
export function specialRange(address: Address): string | undefined {
  const real = underlying(address);
  for (const { range, name } of alsoSpecial) if (inRange(real, range)) return name;
  const name = real.range();
  if (name !== 'unicast') return name;
  return real.kind() === 'ipv6' && !inRange(real, globalUnicast) ? 'reserved' : undefined;
}

/** Everything that IANA gives out as IPv6 unicast; the rest, v4-compatible addresses included, is nobody's. */
const globalUnicast = parseRange('2000::/3');
/** Public by the registries, yet the inside of somebody's network: Azure answers its machines' metadata here. */
const alsoSpecial = [{ range: parseRange('168.63.129.16/32'), name: 'metadata' }];
