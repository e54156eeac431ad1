import type { networkInterfaces } from 'node:os';
import { expect, test } from '@jest/globals';
import { ManualClock } from '../kit/manual-clock.ts';
import { type Address, parseAddress } from './address.ts';
import { OwnNetwork } from './own-network.ts';

type Interfaces = ReturnType<typeof networkInterfaces>;

function subnets(...cidrs: string[]): Interfaces {
  const eth0 = cidrs.map((cidr) => {
    const address = cidr.split('/')[0] ?? '';
    const common = { address, netmask: '', mac: '', internal: false, cidr };
    return address.includes(':')
      ? ({ ...common, family: 'IPv6', scopeid: 0 } as const)
      : ({ ...common, family: 'IPv4' } as const);
  });
  return { eth0 };
}

function address(text: string): Address {
  const parsed = parseAddress(text);
  if (!parsed) throw new Error(text);
  return parsed;
}

function ownNetwork(interfaces: () => Interfaces, gateways: Address[] = []) {
  const clock = new ManualClock();
  return { clock, own: new OwnNetwork({ clock, interfaces, gateways: () => gateways, refreshMs: 10_000 }) };
}

test('a public subnet of the machine is its own, with every address in it, also spelled as IPv6', () => {
  const { own } = ownNetwork(() => subnets('93.184.216.34/28', '2a01:4f8:1:2::7/64'));
  for (const text of ['93.184.216.33', '93.184.216.47', '2a01:4f8:1:2::1', '::ffff:93.184.216.33', '2002:5db8:d821::1'])
    expect(own.includes(address(text))).toBe(true);
  for (const text of ['93.184.216.48', '2a01:4f8:1:3::1', '8.8.8.8']) expect(own.includes(address(text))).toBe(false);
});

test('a public gateway is own', () => {
  const { own } = ownNetwork(() => ({}), [address('93.184.216.1')]);
  expect(own.includes(address('93.184.216.1'))).toBe(true);
  expect(own.includes(address('93.184.216.2'))).toBe(false);
});

test('an interface without a netmask counts with its address alone', () => {
  const { own } = ownNetwork(() => {
    const [entry] = subnets('93.184.216.34/28').eth0 ?? [];
    return { eth0: entry ? [{ ...entry, cidr: null }] : [] };
  });
  expect(own.includes(address('93.184.216.34'))).toBe(true);
  expect(own.includes(address('93.184.216.35'))).toBe(false);
});

test('the machine is asked again only after the refresh time', async () => {
  let asked = 0;
  let cidr = '93.184.216.34/32';
  const { own, clock } = ownNetwork(() => {
    asked++;
    return subnets(cidr);
  });
  expect(own.includes(address('93.184.216.34'))).toBe(true);
  cidr = '93.184.216.99/32';
  await clock.advance(9_999);
  expect(own.includes(address('93.184.216.99'))).toBe(false);
  expect(asked).toBe(1);
  await clock.advance(1);
  expect(own.includes(address('93.184.216.99'))).toBe(true);
  expect(asked).toBe(2);
});

test('the observed address is own, one per family: the IPv4 address, and the /64 of the IPv6 one', () => {
  const { own } = ownNetwork(() => ({}));
  own.observe('::ffff:81.2.69.142');
  own.observe('2a01:4f8:1:2::7');
  expect(own.includes(address('81.2.69.142'))).toBe(true);
  expect(own.includes(address('81.2.69.143'))).toBe(false);
  expect(own.includes(address('2a01:4f8:1:2::8'))).toBe(true);
  own.observe('81.2.69.150');
  expect(own.includes(address('81.2.69.142'))).toBe(false);
  own.observe('no address');
  expect(own.includes(address('81.2.69.150'))).toBe(true);
});
