import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { readRedisTls } from './redis-tls.ts';

const system = { caPath: undefined, certPath: undefined, keyPath: undefined, name: undefined };
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'resproxy-redis-tls-'));
});

afterEach(() => rmSync(dir, { recursive: true }));

test('without files the certificates of the system count', () => {
  expect(readRedisTls(system)).toEqual({ minVersion: 'TLSv1.2' });
  expect(readRedisTls({ ...system, name: 'redis.internal' })).toMatchObject({ servername: 'redis.internal' });
});

test('a file that is missing is named', () => {
  const caPath = join(dir, 'ca.pem');
  expect(() => readRedisTls({ ...system, caPath })).toThrow(`REDIS_URL: the file of tlsCa cannot be read: ${caPath}`);
});

test('a file that is no certificate is found before the first connection', () => {
  const certPath = join(dir, 'cert.pem');
  writeFileSync(certPath, 'not PEM');
  expect(() => readRedisTls({ ...system, certPath, keyPath: certPath })).toThrow(/do not fit together/);
});
