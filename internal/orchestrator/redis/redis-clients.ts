// Makes the clients of one REDIS_URL: all share its login, its TLS files and what is told of them.
import type { Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import { openConnection } from './connection.ts';
import type { ClientKind } from './connection-options.ts';
import { RedisClient, type RedisObserver } from './redis-client.ts';
import { readRedisTls } from './redis-tls.ts';
import type { RedisUrl } from './redis-url.ts';

export interface RedisClientsOptions {
  readonly url: RedisUrl;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly observer: RedisObserver;
}

/** Reads the TLS files, and throws when they cannot be used. The clients do nothing until they are started. */
export function redisClients(options: RedisClientsOptions): (kind: ClientKind) => RedisClient {
  const { url, clock, random, log, observer } = options;
  const tls = url.tls && readRedisTls(url.tls);
  const secrets = secretsOf(url);
  return (kind) =>
    new RedisClient({
      name: kind,
      open: (events) => openConnection({ url, kind, tls, random }, events),
      secrets,
      clock,
      random,
      log,
      observer,
    });
}

function secretsOf(url: RedisUrl): readonly string[] {
  const logins = [url.login, url.kind === 'sentinel' ? url.sentinelLogin : undefined];
  return logins.flatMap((login) => login?.password ?? []);
}
