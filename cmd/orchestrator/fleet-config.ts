// The settings of a pod among others: the Redis that they share, and how they know each other.
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { integer, optionalText, parsedText, type SettingValues, text } from '../../internal/kit/settings.ts';
import { type FleetConfig, type PeerConfig, parseRedisUrl } from '../../internal/orchestrator/app.ts';

export const fleetSettings = {
  REDIS_URL: parsedText(
    'Redis that the pods share: redis://, redis+sentinel://H1,H2/NAME or redis+cluster://H1,H2, with rediss for TLS. ' +
      'Without it this pod is alone.',
    parseRedisUrl,
  ),
  RESPROXY_REDIS_PREFIX: text('Begins every key in Redis.', {
    fallback: 'rp',
    pattern: /^[A-Za-z0-9._-]{1,32}$/,
    what: '1 to 32 letters, digits, dots, dashes or underscores',
  }),
  RESPROXY_POD_ADDRESS: optionalText('IP address at which other pods reach this one; by default its own.'),
  RESPROXY_PEER_PORT: integer(
    'Port that other pods dial; closed without a peer credential. 0 lets the system choose.',
    {
      fallback: 9091,
      min: 0,
      max: 65_535,
    },
  ),
  RESPROXY_PEER_TLS_CERT: optionalText(
    'PEM file of the certificate that this pod shows to others, for `resproxy-peer`.',
  ),
  RESPROXY_PEER_TLS_KEY: optionalText('PEM file of its private key.'),
  RESPROXY_PEER_TLS_CA: optionalText('PEM file of the authority whose certificates are believed.'),
  RESPROXY_PEER_TOKEN_FILE: optionalText(
    'File of the token that pods show to each other over TLS, instead of a certificate of the one that dials.',
  ),
};

type Values = SettingValues<typeof fleetSettings>;

/** Undefined: the pod is alone. Adds to `faults` what the settings mean together. */
export function readFleet(values: Values, bind: string, faults: string[]): FleetConfig | undefined {
  const peer = readPeer(values, faults);
  if (!values.REDIS_URL) {
    if (peer.kind !== 'none') faults.push('REDIS_URL: is needed with a peer credential: pods find each other in Redis');
    return undefined;
  }
  return {
    redis: values.REDIS_URL,
    redisPrefix: values.RESPROXY_REDIS_PREFIX,
    podAddress: podAddress(values.RESPROXY_POD_ADDRESS, bind, faults),
    peerPort: values.RESPROXY_PEER_PORT,
    peer,
  };
}

function readPeer(values: Values, faults: string[]): PeerConfig {
  const {
    RESPROXY_PEER_TLS_CERT: certPath,
    RESPROXY_PEER_TLS_KEY: keyPath,
    RESPROXY_PEER_TLS_CA: caPath,
    RESPROXY_PEER_TOKEN_FILE: tokenPath,
  } = values;
  if (!(certPath || keyPath || caPath || tokenPath)) return { kind: 'none' };
  if (certPath && keyPath && tokenPath) return { kind: 'token', certPath, keyPath, caPath, tokenPath };
  if (certPath && keyPath && caPath) return { kind: 'mtls', certPath, keyPath, caPath };
  const missing = 'is needed with the other RESPROXY_PEER settings';
  if (!certPath) faults.push(`RESPROXY_PEER_TLS_CERT: ${missing}`);
  if (!keyPath) faults.push(`RESPROXY_PEER_TLS_KEY: ${missing}`);
  if (!caPath && !tokenPath) faults.push(`RESPROXY_PEER_TLS_CA: ${missing}, or RESPROXY_PEER_TOKEN_FILE`);
  return { kind: 'none' };
}

function podAddress(given: string | undefined, bind: string, faults: string[]): string {
  if (given !== undefined) {
    if (isIP(given) === 0) faults.push('RESPROXY_POD_ADDRESS: must be an IP address; a name could be anybody');
    return given;
  }
  return isWildcard(bind) ? ownAddress() : bind;
}

function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || /^[0:]+$/.test(address);
}

/** Of the first interface that leads anywhere. */
function ownAddress(): string {
  const addresses = Object.values(networkInterfaces()).flatMap((found) => found ?? []);
  return addresses.find(({ internal, scopeid }) => !internal && !scopeid)?.address ?? '127.0.0.1';
}
