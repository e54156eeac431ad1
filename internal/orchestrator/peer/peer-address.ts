// Where a pod's peer port is, as one text: an IP literal and a port. A name could be anybody's.
import { isIP } from 'node:net';

export interface PeerAddress {
  readonly host: string;
  readonly port: number;
}

/** `10.0.0.7:9091` or `[fd00::7]:9091`. */
export function formatAddress({ host, port }: PeerAddress): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Throws unless it is what formatAddress makes of an IP address. */
export function parseAddress(address: string): PeerAddress {
  const [, v6, v4, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(address) ?? [];
  const host = v6 ?? v4 ?? '';
  const port = Number(digits);
  if (isIP(host) !== (v6 === undefined ? 4 : 6) || !(port >= 1 && port <= 65_535)) {
    throw new Error('its address is not an IP address and a port');
  }
  return { host, port };
}
