import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatAddress, parseAddress } from './peer-address.ts';

test('every IP address and port survives being written down', () => {
  const address = fc.record({
    host: fc.oneof(fc.ipV4(), fc.ipV6()),
    port: fc.integer({ min: 1, max: 65_535 }),
  });
  fc.assert(fc.property(address, (one) => expect(parseAddress(formatAddress(one))).toEqual(one)));
});

test.each([
  '',
  'localhost:9091',
  'pod.example:9091',
  '10.0.0.7',
  '10.0.0.7:0',
  '10.0.0.7:65536',
  'fd00::7:9091',
  '[10.0.0.7]:9091',
  '[fd00::7%eth0]:9091',
  '10.0.0.7:9091/',
])('%j is no address', (text) =>
  expect(() => parseAddress(text)).toThrow('its address is not an IP address and a port'),
);
