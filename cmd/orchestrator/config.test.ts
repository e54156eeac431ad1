import { expect, test } from '@jest/globals';
import { SettingsError } from '../../internal/kit/settings.ts';
import { readConfig } from './config.ts';

test('without settings nobody but this machine is let in, and no page of another origin', () => {
  expect(readConfig({})).toMatchObject({ bind: '127.0.0.1', corsOrigins: [], tls: undefined });
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
