import { expect, test } from '@jest/globals';
import { ManualClock } from '../kit/manual-clock.ts';
import { parseEndpoint } from './endpoint.ts';
import { Guard } from './guard.ts';
import { OwnNetwork } from './own-network.ts';

function guard(...endpoints: string[]): Guard {
  const own = new OwnNetwork({ clock: new ManualClock(), interfaces: () => ({}), gateways: () => [] });
  return new Guard({ own, allowPorts: [80, 443], allowEndpoints: endpoints.map(parseEndpoint) });
}

test('a public address may be reached on the ports that the owner allows', () => {
  expect(guard().judge('8.8.8.8', 443)).toEqual({ kind: 'allowed' });
  expect(guard().judge('8.8.8.8', 22)).toEqual({ kind: 'port-refused' });
});

test('a forbidden address is named as such whatever the port', () => {
  expect(guard().judge('192.168.1.1', 80)).toEqual({ kind: 'prohibited-address', range: 'private' });
  expect(guard().judge('192.168.1.1', 22)).toEqual({ kind: 'prohibited-address', range: 'private' });
  expect(guard().judge('not an address', 80)).toEqual({ kind: 'prohibited-address', range: 'unreadable' });
});

test('an exception opens its address and port and nothing beside them', () => {
  const lab = guard('127.0.0.1/32:8081');
  expect(lab.judge('127.0.0.1', 8081).kind).toBe('allowed');
  expect(lab.judge('127.0.0.1', 80).kind).toBe('prohibited-address');
  expect(lab.judge('::ffff:127.0.0.1', 8081).kind).toBe('prohibited-address');
  expect(lab.judge('8.8.8.8', 8081).kind).toBe('port-refused');
});

test("the agent's own public address is refused from the moment it is known", () => {
  const home = guard();
  expect(home.judge('81.2.69.142', 443).kind).toBe('allowed');
  home.observe('81.2.69.142');
  expect(home.judge('81.2.69.142', 443)).toEqual({ kind: 'prohibited-address', range: 'own' });
  expect(home.judge('::ffff:81.2.69.142', 443)).toEqual({ kind: 'prohibited-address', range: 'own' });
});
