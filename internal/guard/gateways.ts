// The default gateways of this machine: the router is the first thing in a home that a job must not reach. Linux tells
// them in /proc; elsewhere they lie in the machine's own subnets, which are refused anyway.
import { readFileSync } from 'node:fs';
import ipaddr from 'ipaddr.js';
import type { Address } from './address.ts';

export function defaultGateways(): Address[] {
  return [...gatewaysV4(readTable('/proc/net/route')), ...gatewaysV6(readTable('/proc/net/ipv6_route'))];
}

/** Columns: interface, destination, gateway, flags, ... mask; addresses in hex as a little-endian word. */
export function gatewaysV4(table: string): Address[] {
  return rows(table).flatMap((columns) => {
    const [, destination, gateway = ''] = columns;
    const isDefault = destination === '00000000' && columns[7] === '00000000';
    return isDefault && /^[0-9A-F]{8}$/i.test(gateway) && gateway !== '00000000'
      ? [ipaddr.fromByteArray([...Buffer.from(gateway, 'hex')].reverse())]
      : [];
  });
}

/** Columns: destination, its prefix, source, its prefix, next hop, ...; addresses in hex in network order. */
export function gatewaysV6(table: string): Address[] {
  return rows(table).flatMap(([destination, prefix, , , hop = '']) => {
    const isDefault = prefix === '00' && destination === unspecified;
    return isDefault && /^[0-9a-f]{32}$/i.test(hop) && hop !== unspecified
      ? [ipaddr.fromByteArray([...Buffer.from(hop, 'hex')])]
      : [];
  });
}

const unspecified = '0'.repeat(32);

function rows(table: string): string[][] {
  return table.split('\n').map((line) => line.trim().split(/\s+/));
}

function readTable(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
