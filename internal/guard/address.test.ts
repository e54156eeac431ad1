import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseAddress, sameAddress, specialRange } from './address.ts';

const forbidden: Record<string, string> = {
  '0.0.0.0': 'unspecified',
  '0.1.2.3': 'unspecified',
  '10.0.0.1': 'private',
  '100.64.0.1': 'carrierGradeNat',
  '100.127.255.255': 'carrierGradeNat',
  '127.0.0.1': 'loopback',
  '127.255.255.254': 'loopback',
  '168.63.129.16': 'metadata',
  '169.254.169.254': 'linkLocal',
  '172.16.0.1': 'private',
  '172.31.255.255': 'private',
  '192.0.0.192': 'reserved',
  '192.0.2.1': 'reserved',
  '192.31.196.1': 'as112',
  '192.52.193.1': 'amt',
  '192.88.99.1': 'reserved',
  '192.168.1.1': 'private',
  '192.175.48.1': 'as112',
  '198.18.0.1': 'reserved',
  '198.19.255.255': 'reserved',
  '198.51.100.1': 'reserved',
  '203.0.113.1': 'reserved',
  '224.0.0.1': 'multicast',
  '239.255.255.255': 'multicast',
  '240.0.0.1': 'reserved',
  '255.255.255.255': 'broadcast',
  '::': 'unspecified',
  '::1': 'loopback',
  '::8.8.8.8': 'reserved',
  '::ffff:0:8.8.8.8': 'rfc6145',
  '::ffff:127.0.0.1': 'loopback',
  '::ffff:192.168.0.1': 'private',
  '64:ff9b::10.0.0.1': 'private',
  '64:ff9b::169.254.169.254': 'linkLocal',
  '64:ff9b:1::8.8.8.8': 'rfc6052',
  '100::1': 'discard',
  '2001::1': 'teredo',
  '2001:2::1': 'benchmarking',
  '2001:3::1': 'amt',
  '2001:4:112::1': 'as112v6',
  '2001:10::1': 'deprecatedOrchid',
  '2001:20::1': 'orchid2',
  '2001:db8::1': 'reserved',
  '2002:7f00:1::': 'loopback',
  '2002:c0a8:101::1': 'private',
  '2620:4f:8000::1': 'as112v6',
  '3fff::1': 'reserved',
  '4000::1': 'reserved',
  '5f00::1': 'segmentRouting',
  'fc00::1': 'uniqueLocal',
  'fd00:ec2::254': 'uniqueLocal',
  'fe80::1': 'linkLocal',
  'fec0::1': 'deprecatedSiteLocal',
  'ff02::1': 'multicast',
};

const open = [
  '1.1.1.1',
  '8.8.8.8',
  '100.63.255.255',
  '172.32.0.1',
  '223.255.255.254',
  '2606:4700::1111',
  '2a00:1450:4001:82a::200e',
  '::ffff:8.8.8.8',
  '64:ff9b::8.8.8.8',
  '2002:808:808::1',
];

function rangeOf(text: string): string | undefined {
  const address = parseAddress(text);
  if (!address) throw new Error(`${text} is no address`);
  return specialRange(address);
}

describe('the judge of addresses', () => {
  test.each(Object.entries(forbidden))('%s is %s', (text, range) => {
    expect(rangeOf(text)).toBe(range);
  });

  test.each(open)('%s is public', (text) => {
    expect(rangeOf(text)).toBeUndefined();
  });

  test('an IPv4 address is judged alike in every IPv6 spelling that carries it', () => {
    const octet = fc.integer({ min: 0, max: 255 });
    fc.assert(
      fc.property(octet, octet, octet, octet, (a, b, c, d) => {
        const plain = rangeOf(`${a}.${b}.${c}.${d}`);
        const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
        expect(rangeOf(`::ffff:${hex}`)).toBe(plain);
        expect(rangeOf(`64:ff9b::${hex}`)).toBe(plain);
        expect(rangeOf(`2002:${hex}::1`)).toBe(plain);
      }),
    );
  });

  test('no IPv6 address outside 2000::/3 is public unless it carries a public IPv4 address', () => {
    const word = fc.integer({ min: 0, max: 0xffff });
    fc.assert(
      fc.property(word, fc.array(word, { minLength: 7, maxLength: 7 }), (first, rest) => {
        fc.pre(first >> 13 !== 1 && first !== 0 && first !== 0x64);
        expect(rangeOf([first, ...rest].map((part) => part.toString(16)).join(':'))).toBeDefined();
      }),
    );
  });

  test('text that is no plain address is not read', () => {
    for (const text of ['', 'localhost', '0x7f.1', '2130706433', '127.1', 'fe80::1%eth0', '[::1]', '1.2.3.4/32'])
      expect(parseAddress(text)).toBeUndefined();
  });

  test('two spellings of one address are the same, two addresses are not', () => {
    expect(sameAddress('::ffff:808:808', '::ffff:8.8.8.8')).toBe(true);
    expect(sameAddress('8.8.8.8', '8.8.4.4')).toBe(false);
    expect(sameAddress('8.8.8.8', 'nowhere')).toBe(false);
  });
});
