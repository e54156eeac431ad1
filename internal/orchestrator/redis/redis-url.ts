// REDIS_URL, read by us: ioredis takes a Sentinel or Cluster URL for the address of one server without an error. What
// could be read in two ways is refused, and no sentence repeats a part of the text, since any part may be a password.
import { isIPv6 } from 'node:net';

export interface RedisAddress {
  /** A name or an IP address; IPv6 without brackets. */
  readonly host: string;
  readonly port: number;
}

export interface RedisLogin {
  /** Undefined is the user `default`. */
  readonly username: string | undefined;
  readonly password: string;
}

/** Files in PEM; what is undefined comes from the system, or is not shown. */
export interface RedisTls {
  readonly caPath: string | undefined;
  readonly certPath: string | undefined;
  readonly keyPath: string | undefined;
  /** The name that certificates must carry, when it is not the host of the URL. */
  readonly name: string | undefined;
}

interface Shared {
  readonly login: RedisLogin | undefined;
  readonly tls: RedisTls | undefined;
}

export type RedisUrl =
  | (Shared & { readonly kind: 'single'; readonly address: RedisAddress; readonly db: number })
  | (Shared & {
      readonly kind: 'sentinel';
      readonly sentinels: readonly RedisAddress[];
      readonly master: string;
      readonly sentinelLogin: RedisLogin | undefined;
    })
  | (Shared & { readonly kind: 'cluster'; readonly nodes: readonly RedisAddress[] });

/** Says what is wrong with the form, never what stood there. */
export class RedisUrlError extends Error {
  override readonly name = 'RedisUrlError';
}

type Kind = RedisUrl['kind'];

interface Scheme {
  readonly kind: Kind;
  readonly tls: boolean;
}

const schemes: Readonly<Record<string, Scheme>> = {
  redis: { kind: 'single', tls: false },
  rediss: { kind: 'single', tls: true },
  'redis+sentinel': { kind: 'sentinel', tls: false },
  'rediss+sentinel': { kind: 'sentinel', tls: true },
  'redis+cluster': { kind: 'cluster', tls: false },
  'rediss+cluster': { kind: 'cluster', tls: true },
};
const defaultPorts: Readonly<Record<Kind, number>> = { single: 6379, sentinel: 26_379, cluster: 6379 };
const tlsParameters = ['tlsCa', 'tlsCert', 'tlsKey', 'tlsName'] as const;
const sentinelParameters = ['sentinelUsername', 'sentinelPassword'] as const;
const maxUrlLength = 4_096;
const maxHosts = 32;
const maxDb = 65_535;

const form =
  /^(?<scheme>[a-z+]+):\/\/(?:(?<login>[^@/?#]*)@)?(?<hosts>[^@/?#]+)(?:\/(?<path>[^@/?#]*))?(?:\?(?<query>[^?#]*))?$/;

export function parseRedisUrl(text: string): RedisUrl {
  if (text.length > maxUrlLength) fail(`is longer than ${maxUrlLength} characters`);
  if (/[^\x21-\x7e]/.test(text)) fail('holds a space or another character that must be percent-encoded');
  const parts = form.exec(text)?.groups;
  if (!parts) fail('must be SCHEME://USER:PASSWORD@HOST:PORT/..., with @ / ? and # in a password percent-encoded');
  const scheme = Object.hasOwn(schemes, parts.scheme ?? '') ? schemes[parts.scheme ?? ''] : undefined;
  if (!scheme) fail(`must begin with one of ${Object.keys(schemes).join('://, ')}://`);
  const parameters = parseQuery(parts.query, allowedParameters(scheme));
  const shared = { login: parseLogin(parts.login), tls: scheme.tls ? tlsOf(parameters) : undefined };
  const hosts = parseHosts(parts.hosts ?? '', defaultPorts[scheme.kind]);
  return build(scheme.kind, shared, hosts, parts.path ?? '', parameters);
}

function build(
  kind: Kind,
  shared: Shared,
  hosts: readonly [RedisAddress, ...RedisAddress[]],
  path: string,
  parameters: ReadonlyMap<string, string>,
): RedisUrl {
  switch (kind) {
    case 'single': {
      if (hosts.length > 1) fail('names several hosts: use redis+sentinel:// or redis+cluster://, or name one');
      return { kind, ...shared, address: hosts[0], db: parseDb(path) };
    }
    case 'sentinel': {
      const master = decode(path);
      if (!/^[A-Za-z0-9._-]+$/.test(master)) fail('must end with /NAME, the name of the master that Sentinel watches');
      return { kind, ...shared, sentinels: hosts, master, sentinelLogin: sentinelLoginOf(parameters) };
    }
    case 'cluster': {
      if (path !== '') fail('must not name a database: Redis Cluster has only one');
      return { kind, ...shared, nodes: hosts };
    }
  }
}

function parseLogin(text: string | undefined): RedisLogin | undefined {
  if (text === undefined) return undefined;
  const [username = '', password, ...more] = text.split(':');
  if (more.length > 0) fail('holds a second colon in the login: percent-encode the one in the password');
  if (password === undefined) fail('holds one word before the @: write USER:PASSWORD@, or :PASSWORD@ without a user');
  if (password === '') fail('names a user without a password');
  return { username: username === '' ? undefined : decode(username), password: decode(password) };
}

function parseHosts(text: string, defaultPort: number): readonly [RedisAddress, ...RedisAddress[]] {
  const [first, ...others] = text.split(',').map((item) => parseHost(item, defaultPort));
  if (!first || others.length >= maxHosts) fail(`names more than ${maxHosts} hosts`);
  const hosts = [first, ...others] as const;
  const known = new Set(hosts.map(({ host, port }) => `${host} ${port}`));
  if (known.size < hosts.length) fail('names a host twice');
  return hosts;
}

function parseHost(text: string, defaultPort: number): RedisAddress {
  const { six, name, port } =
    /^(?:\[(?<six>[^[\]]*)\]|(?<name>[^:[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {};
  if (six !== undefined && !isIPv6(six)) fail('holds brackets around what is not an IPv6 address');
  if (six === undefined && !/^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(name ?? '')) {
    fail('must name hosts as HOST:PORT, with IPv6 addresses in brackets');
  }
  return { host: (six ?? name ?? '').toLowerCase(), port: port === undefined ? defaultPort : parsePort(port) };
}

function parsePort(text: string): number {
  const port = Number(text);
  if (port < 1 || port > 65_535) fail('holds a port that is not from 1 to 65535');
  return port;
}

function parseDb(path: string): number {
  if (path === '') return 0;
  if (!/^(?:0|[1-9]\d{0,4})$/.test(path) || Number(path) > maxDb)
    fail(`must end with /DB, a number from 0 to ${maxDb}`);
  return Number(path);
}

function allowedParameters({ kind, tls }: Scheme): readonly string[] {
  return [...(tls ? tlsParameters : []), ...(kind === 'sentinel' ? sentinelParameters : [])];
}

function parseQuery(text: string | undefined, allowed: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  if (text === undefined) return found;
  for (const pair of text.split('&')) {
    const [name = '', value, ...more] = pair.split('=');
    if (!allowed.includes(name)) {
      fail(`holds a parameter that this scheme does not have; it has ${allowed.join(', ') || 'none'}`);
    }
    if (value === undefined || value === '' || more.length > 0) fail(`must give ${name} one value, percent-encoded`);
    if (found.has(name)) fail(`gives ${name} twice`);
    found.set(name, decode(value));
  }
  return found;
}

function tlsOf(parameters: ReadonlyMap<string, string>): RedisTls {
  const [caPath, certPath, keyPath, name] = tlsParameters.map((parameter) => parameters.get(parameter));
  if ((certPath === undefined) !== (keyPath === undefined)) fail('must give tlsCert and tlsKey together');
  return { caPath, certPath, keyPath, name };
}

function sentinelLoginOf(parameters: ReadonlyMap<string, string>): RedisLogin | undefined {
  const [username, password] = sentinelParameters.map((parameter) => parameters.get(parameter));
  if (username !== undefined && password === undefined) fail('must give sentinelPassword with sentinelUsername');
  return password === undefined ? undefined : { username, password };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return fail('holds a % that is not the start of a percent-encoded character');
  }
}

function fail(fault: string): never {
  throw new RedisUrlError(fault);
}
