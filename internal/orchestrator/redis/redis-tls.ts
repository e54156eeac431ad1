// The files that a rediss:// URL names, read and tried once at the start: ioredis would otherwise end its client for
// good at the first connection.
import { readFileSync } from 'node:fs';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import type { RedisTls } from './redis-url.ts';

/** Throws a sentence that names the file which cannot be used. */
export function readRedisTls({ caPath, certPath, keyPath, name }: RedisTls): ConnectionOptions {
  const options: ConnectionOptions = { minVersion: 'TLSv1.2' };
  if (caPath !== undefined) options.ca = readPem('tlsCa', caPath);
  if (certPath !== undefined) options.cert = readPem('tlsCert', certPath);
  if (keyPath !== undefined) options.key = readPem('tlsKey', keyPath);
  if (name !== undefined) options.servername = name;
  try {
    createSecureContext(options);
  } catch (error) {
    throw new Error('REDIS_URL: the files of tlsCa, tlsCert and tlsKey do not fit together', { cause: error });
  }
  return options;
}

function readPem(parameter: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`REDIS_URL: the file of ${parameter} cannot be read: ${path}`, { cause: error });
  }
}
