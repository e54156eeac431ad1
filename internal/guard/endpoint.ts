// An exception that the machine's owner makes, for labs and tests: exactly these addresses on exactly this port.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { type Address, inRange, parseRange, type Range } from './address.ts';

export interface Endpoint {
  readonly range: Range;
  readonly port: number;
}

const shape = /^(?:\[([0-9a-f:.]+)\]|([0-9.]+))\/(\d{1,3}):(\d{1,5})$/i;

/** Reads `address/prefix:port`, IPv6 in brackets. Throws an Error whose message completes "ITEM: ...". */
export function parseEndpoint(text: string): Endpoint {
  const [, v6, v4, prefix, portText] = shape.exec(text) ?? [];
  const address = v6 ?? v4 ?? '';
  if (isIP(address) !== (v6 === undefined ? 4 : 6))
    throw new Error('must be address/prefix:port, as 127.0.0.1/32:8081 or [::1]/128:8081');
  const port = Number(portText);
  if (port < 1 || port > 65535) throw new Error('has a port that is not between 1 and 65535');
  if (Number(prefix) > (v6 === undefined ? 32 : 128)) throw new Error('has a prefix longer than its address');
  return { range: exactRange(`${address}/${prefix}`), port };
}

/** A range written with host bits is more likely a slip than a wish for the whole network. */
function exactRange(cidr: string): Range {
  const range = parseRange(cidr);
  const [address, prefix] = range;
  const network =
    address.kind() === 'ipv6' ? ipaddr.IPv6.networkAddressFromCIDR(cidr) : ipaddr.IPv4.networkAddressFromCIDR(cidr);
  if (network.toNormalizedString() === address.toNormalizedString()) return range;
  throw new Error(`has bits set beyond its prefix; write ${network.toString()}/${prefix}`);
}

/** By the address as it would be dialled: an exception for an IPv4 address says nothing of its IPv6 spellings. */
export function covers({ range, port }: Endpoint, address: Address, toPort: number): boolean {
  return port === toPort && inRange(address, range);
}
