// Whose address an agent has. X-Forwarded-For is what anybody may write, so it is believed only as far as it was
// written by proxies that the operator named: read from the right, up to the first address that is not one of them.
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

type Address = ReturnType<typeof ipaddr.process>;
export type AddressRange = ReturnType<typeof ipaddr.parseCIDR>;

/** Longer chains of proxies are not followed. */
const maxHops = 16;

/** `10.0.0.0/8`, `fd00::/8`, or one address. Throws an Error that completes "ITEM: ...". */
export function parseRange(text: string): AddressRange {
  try {
    if (isIP(text) === 0) return ipaddr.parseCIDR(text);
    const address = ipaddr.process(text);
    return [address, address.kind() === 'ipv4' ? 32 : 128];
  } catch {
    throw new Error('is neither an address nor a range such as 10.0.0.0/8');
  }
}

/** The address of whoever is behind the socket; v4-mapped ones as IPv4. */
export function clientAddress(
  socketAddress: string | undefined,
  forwardedFor: string | undefined,
  trusted: readonly AddressRange[],
): string {
  let address = parseAddress(socketAddress ?? '');
  if (!address) return '';
  const hops = forwardedFor === undefined ? [] : forwardedFor.split(',').slice(-maxHops);
  while (isTrusted(address, trusted)) {
    const next = parseAddress(withoutPort(hops.pop()?.trim() ?? ''));
    if (!next) break;
    address = next;
  }
  return address.toString();
}

/** Addresses that one subscriber has together: all of IPv4's one, IPv6's /64. */
export function subscriberOf(address: string): string {
  const parsed = parseAddress(address);
  if (!parsed || parsed.kind() === 'ipv4') return address;
  return parsed
    .toByteArray()
    .slice(0, 8)
    .map((byte) => byte.toString(16).padStart(2, '0'))
    .join('');
}

/**
 * Whose connections are counted together before anything was said on them. Behind a proxy that the operator named, and
 * on this machine, are many: those count for themselves.
 */
export function strangerGroup(trusted: readonly AddressRange[]): (address: string) => string | undefined {
  return (text) => {
    const address = parseAddress(text);
    if (!address || address.range() === 'loopback' || isTrusted(address, trusted)) return undefined;
    return subscriberOf(address.toString());
  };
}

/** Whether only programs of this machine reach a listener that is bound to the host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || parseAddress(host)?.range() === 'loopback';
}

function isTrusted(address: Address, trusted: readonly AddressRange[]): boolean {
  return trusted.some(([range, bits]) => range.kind() === address.kind() && address.match(range, bits));
}

function parseAddress(text: string): Address | undefined {
  return isIP(text) === 0 ? undefined : ipaddr.process(text);
}

/** Some proxies write `192.0.2.1:1234` or `[2001:db8::1]:1234`. */
function withoutPort(hop: string): string {
  return /^(?:(\d+\.\d+\.\d+\.\d+)|\[([^\]]+)\])(?::\d+)?$/.exec(hop)?.slice(1).find(Boolean) ?? hop;
}
