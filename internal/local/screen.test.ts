import { expect, test } from '@jest/globals';
import { screen } from './screen.ts';

const facts = {
  version: '1.2.3',
  ports: { http: 8080, grpc: 9090, agent: 8443, admin: 9464 },
  echoPort: 8081,
  check: { statusCode: 200, ms: 12 },
  made: true,
  dir: '.resproxy',
};

test('the screen names every door and the result of the self-check', () => {
  const text = screen(facts);
  for (const part of [
    'http://127.0.0.1:8080',
    '127.0.0.1:9090',
    ':8443/agent',
    ':9464',
    ':8081/echo',
    '200 in 12 ms',
  ]) {
    expect(text).toContain(part);
  }
});

test('the token is read by the command that needs it and not shown', () => {
  expect(screen(facts).match(/\$\(cat \.resproxy\/dev-token\)/g)).toHaveLength(2);
});

test('an earlier run is named as the origin of keys that were there', () => {
  expect(screen({ ...facts, made: false })).toContain('Keys, from an earlier run');
});
