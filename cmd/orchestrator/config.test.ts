import { expect, test } from '@jest/globals';
import { SettingsError } from '../../internal/kit/settings.ts';
import { readConfig } from './config.ts';

test('without settings nobody but this machine is let in, and no page of another origin', () => {
  expect(readConfig({})).toMatchObject({ bind: '127.0.0.1', corsOrigins: [], tls: undefined });
});

test('keys come from a file, or from namespaces with their tenants', () => {
  expect(readConfig({}).keys).toEqual({ kind: 'file', path: './.resproxy/agent-keys.json' });
  expect(readConfig({ RESPROXY_KEYS: 'kubernetes:homes=acme, labs' }).keys).toEqual({
    kind: 'kubernetes',
    namespaces: [
      { namespace: 'homes', tenant: 'acme' },
      { namespace: 'labs', tenant: undefined },
    ],
  });
});

test.each([
  'file:',
  'kubernetes:',
  'kubernetes:Homes',
  'kubernetes:a,a=b',
  'kubernetes:a=',
  'kubernetes:a=b=c',
  'env:X',
])('keys from nowhere are refused: %p', (value) => {
  const read = () => readConfig({ RESPROXY_KEYS: value });
  expect(read).toThrow('RESPROXY_KEYS');
});

test('origins are taken as browsers write them', () => {
  const origins = ['https://app.example.org', 'http://localhost:3000', '*'];
  expect(readConfig({ RESPROXY_CORS_ORIGINS: origins.join(', ') }).corsOrigins).toEqual(origins);
});

test.each([
  'app.example.org',
  'https://app.example.org/',
  'https://app.example.org/page',
  'https://App.example.org',
  'https://app.example.org:443',
  'https://*.example.org',
  'file:///tmp',
  'null',
])('what no browser would send as an origin is refused: %s', (item) => {
  const read = () => readConfig({ RESPROXY_CORS_ORIGINS: item });
  expect(read).toThrow(SettingsError);
  expect(read).toThrow('RESPROXY_CORS_ORIGINS');
});
