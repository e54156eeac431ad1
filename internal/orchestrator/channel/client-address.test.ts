import { describe, expect, test } from '@jest/globals';
import { clientAddress, isLoopback, parseRange, strangerGroup, subscriberOf } from './client-address.ts';

const trusted = ['10.0.0.0/8', 'fd00::/8', '192.0.2.1'].map(parseRange);

describe('address of an agent', () => {
  test.each([
    ['a stranger who writes the header is not believed', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['a trusted proxy is', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['what the client wrote before the proxy is not', '10.1.2.3', '1.1.1.1, 198.51.100.1', '198.51.100.1'],
    ['proxies in a row are followed', '10.1.2.3', '198.51.100.1, 192.0.2.1,fd00::7', '198.51.100.1'],
    ['nonsense ends the row', '10.1.2.3', '198.51.100.1, unknown', '10.1.2.3'],
    ['an empty header says nothing', '10.1.2.3', '', '10.1.2.3'],
    ['only trusted proxies leave the outermost', '10.1.2.3', '10.9.9.9', '10.9.9.9'],
    ['a port is no part of it', '10.1.2.3', '198.51.100.1:4711', '198.51.100.1'],
    ['nor of an IPv6 address', '10.1.2.3', '[2001:db8::1]:4711', '2001:db8::1'],
    ['a v4-mapped socket is IPv4', '::ffff:10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['an octal look-alike is no address', '10.1.2.3', '0306.51.100.1', '10.1.2.3'],
  ])('%s', (_what, socket, forwarded, address) => {
    expect(clientAddress(socket, forwarded, trusted)).toBe(address);
  });

  test('is unknown when the socket is gone', () => {
    expect(clientAddress(undefined, '198.51.100.1', trusted)).toBe('');
  });

  test('follows a bounded number of proxies', () => {
    const hops = ['198.51.100.1', ...Array.from({ length: 40 }, () => '10.0.0.1')];
    expect(clientAddress('10.1.2.3', hops.join(','), trusted)).toBe('10.0.0.1');
  });
});

test.each(['10.0.0.0/33', 'proxy.local', '10.0.0', ''])('%p is no range', (text) => {
  expect(() => parseRange(text)).toThrow('is neither an address nor a range');
});

test('an IPv6 subscriber has a /64, an IPv4 one an address', () => {
  expect(subscriberOf('2001:db8::1')).toBe(subscriberOf('2001:db8::ffff:1'));
  expect(subscriberOf('2001:db8::1')).not.toBe(subscriberOf('2001:db8:0:1::1'));
  expect(subscriberOf('192.0.2.1')).toBe('192.0.2.1');
});

test.each([
  ['127.0.0.1', true],
  ['127.9.9.9', true],
  ['::1', true],
  ['localhost', true],
  ['0.0.0.0', false],
  ['::', false],
  ['192.0.2.1', false],
  ['agents.example', false],
])('%p is loopback: %p', (host, loopback) => {
  expect(isLoopback(host)).toBe(loopback);
});

test('strangers are counted by subscriber, but not those behind a named proxy or on this machine', () => {
  const groupOf = strangerGroup(trusted);
  expect(groupOf('::ffff:203.0.113.9')).toBe('203.0.113.9');
  expect(groupOf('2001:db8::1')).toBe(groupOf('2001:db8::2:1'));
  expect(groupOf('2001:db8::1')).not.toBe(groupOf('2001:db8:0:1::1'));
  for (const many of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00::7', '127.0.0.1', '::1', ''])
    expect(groupOf(many)).toBeUndefined();
});
