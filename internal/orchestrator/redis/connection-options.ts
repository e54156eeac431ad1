// What ioredis is told, for each kind of client and each kind of Redis (docs/adr/0015). The aim of every option here:
// a command fails soon, is never sent a second time, and the client never gives up.
import type { ConnectionOptions } from 'node:tls';
import type { ClusterOptions, RedisOptions } from 'ioredis';
import { fullJitterMs } from '../../kit/backoff.ts';
import type { Random } from '../../kit/clock.ts';
import { redisLimits } from './redis-limits.ts';
import type { RedisAddress, RedisLogin, RedisUrl } from './redis-url.ts';

/** A request wants its answer now; a follower waits at Redis for news. */
export type ClientKind = 'request' | 'follower';

/** As ioredis's constructors want it. */
type ServerOptions = RedisOptions & { readonly replyMapping: 'legacy' };

export interface ConnectionPlan {
  readonly url: RedisUrl;
  readonly kind: ClientKind;
  /** Undefined: plain. */
  readonly tls: ConnectionOptions | undefined;
  readonly random: Random;
}

export type PlanFor<K extends RedisUrl['kind']> = ConnectionPlan & { readonly url: { readonly kind: K } };

export function singleOptions(plan: PlanFor<'single'>): ServerOptions {
  const { host, port } = plan.url.address;
  return { ...serverOptions(plan), retryStrategy: reconnectDelay(plan.random), host, port, db: plan.url.db };
}

export function sentinelOptions(plan: PlanFor<'sentinel'>): ServerOptions {
  const { sentinels, master, sentinelLogin } = plan.url;
  return {
    ...serverOptions(plan),
    retryStrategy: reconnectDelay(plan.random),
    sentinels: sentinels.map(({ host, port }) => ({ host, port })),
    name: master,
    role: 'master',
    sentinelUsername: sentinelLogin?.username,
    sentinelPassword: sentinelLogin?.password,
    sentinelCommandTimeout: redisLimits.commandTimeoutMs,
    sentinelRetryStrategy: reconnectDelay(plan.random),
    ...(plan.tls ? { sentinelTLS: plan.tls, enableTLSForSentinelMode: true } : {}),
  };
}

export function sentinelWatchOptions(plan: PlanFor<'sentinel'>, { host, port }: RedisAddress): ServerOptions {
  return {
    ...serverOptions({ ...plan, kind: 'request', url: { ...plan.url, login: plan.url.sentinelLogin } }),
    host,
    port,
    retryStrategy: reconnectDelay(plan.random),
    enableReadyCheck: false,
    connectionName: 'resproxy-watch',
  };
}

export function clusterOptions(plan: ConnectionPlan): ClusterOptions & { readonly redisOptions: ServerOptions } {
  return {
    lazyConnect: true,
    enableOfflineQueue: false,
    clusterRetryStrategy: reconnectDelay(plan.random),
    slotsRefreshInterval: redisLimits.slotsRefreshMs,
    slotsRefreshTimeout: redisLimits.commandTimeoutMs,
    maxRedirections: redisLimits.maxRedirections,
    // Any other number would send a command again whose answer was lost with its connection.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    redisOptions: serverOptions(plan),
  };
}

function serverOptions({ url, kind, tls }: ConnectionPlan): ServerOptions {
  return {
    ...loginOptions(url.login),
    ...(tls ? { tls } : {}),
    ...(kind === 'request' ? { commandTimeout: redisLimits.commandTimeoutMs } : {}),
    socketTimeout: kind === 'request' ? redisLimits.requestSilenceMs : redisLimits.followerSilenceMs,
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    // With any other number a command that was under way when its connection broke would never settle.
    maxRetriesPerRequest: 0,
    connectTimeout: redisLimits.connectTimeoutMs,
    disconnectTimeout: redisLimits.disconnectTimeoutMs,
    maxLoadingRetryTime: redisLimits.loadingPollMs,
    connectionName: `resproxy-${kind}`,
    disableClientInfo: true,
    protocol: 2,
    replyMapping: 'legacy',
  };
}

function loginOptions(login: RedisLogin | undefined): Pick<RedisOptions, 'username' | 'password'> {
  if (!login) return {};
  return login.username === undefined
    ? { password: login.password }
    : { username: login.username, password: login.password };
}

/** ioredis counts the tries from 1. */
function reconnectDelay(random: Random): (tries: number) => number {
  return (tries) => fullJitterMs(tries - 1, redisLimits.reconnectBaseMs, redisLimits.reconnectMaxMs, random);
}
