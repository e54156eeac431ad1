import { expect, test } from '@jest/globals';
import { parseAddress } from './address.ts';
import { covers, parseEndpoint } from './endpoint.ts';

function covered(endpoint: string, text: string, port: number): boolean {
  const address = parseAddress(text);
  if (!address) throw new Error(text);
  return covers(parseEndpoint(endpoint), address, port);
}

test('an endpoint covers exactly its addresses on exactly its port', () => {
  expect(covered('127.0.0.1/32:8081', '127.0.0.1', 8081)).toBe(true);
  expect(covered('127.0.0.1/32:8081', '127.0.0.1', 8082)).toBe(false);
  expect(covered('127.0.0.1/32:8081', '127.0.0.2', 8081)).toBe(false);
  expect(covered('10.1.0.0/16:443', '10.1.255.7', 443)).toBe(true);
  expect(covered('10.1.0.0/16:443', '10.2.0.1', 443)).toBe(false);
  expect(covered('[::1]/128:8081', '::1', 8081)).toBe(true);
  expect(covered('[fd00::]/8:80', 'fd12::1', 80)).toBe(true);
});

test('an exception for an IPv4 address says nothing of its IPv6 spellings', () => {
  expect(covered('127.0.0.1/32:8081', '::ffff:127.0.0.1', 8081)).toBe(false);
});

test.each([
  ['127.0.0.1:8081', 'address/prefix:port'],
  ['127.0.0.1/32', 'address/prefix:port'],
  ['localhost/32:80', 'address/prefix:port'],
  ['::1/128:8081', 'address/prefix:port'],
  ['[127.0.0.1]/32:80', 'address/prefix:port'],
  ['256.0.0.1/32:80', 'address/prefix:port'],
  ['127.0.0.1/32:0', 'port'],
  ['127.0.0.1/32:65536', 'port'],
  ['127.0.0.1/33:80', 'prefix'],
  ['[::1]/129:80', 'prefix'],
  ['127.0.0.1/8:80', 'write 127.0.0.0/8'],
  ['[fd00::1]/64:80', 'write fd00::/64'],
])('%s is refused, naming its %s', (text, complaint) => {
  expect(() => parseEndpoint(text)).toThrow(complaint);
});
