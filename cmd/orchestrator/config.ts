// The orchestrator's settings: the only file of the program that sees the environment. What the settings mean together
// (a door off loopback needs TLS) is checked here too, so that every fault is reported at once.
import { hostname } from 'node:os';
import {
  integer,
  list,
  logLevel,
  optionalText,
  readSettings,
  SettingsError,
  type SettingValues,
  text,
} from '../../internal/kit/settings.ts';
import {
  type Door,
  isLoopback,
  type OrchestratorConfig,
  type PemFiles,
  parseRange,
} from '../../internal/orchestrator/app.ts';
import { fleetSettings, readFleet } from './fleet-config.ts';
import { keysSetting } from './keys-config.ts';
import { queueSettings, readQueue } from './queue-config.ts';

const MiB = 1024 * 1024;
const port = (help: string, fallback: number) =>
  integer(`${help} 0 lets the system choose.`, { fallback, min: 0, max: 65_535 });
const address = (help: string) =>
  text(help, { fallback: '127.0.0.1', pattern: /^[0-9a-fA-F.:]+$/, what: 'an IP address' });
const doors: readonly Door[] = ['agent', 'http', 'grpc'];

export const settings = {
  RESPROXY_BIND: address('IP address of the listeners for callers and agents.'),
  RESPROXY_ADMIN_BIND: address('IP address of the admin listener.'),
  RESPROXY_HTTP_PORT: port('Port of Connect, gRPC-Web and REST.', 8080),
  RESPROXY_GRPC_PORT: port('Port of native gRPC, reflection and health.', 9090),
  RESPROXY_AGENT_PORT: port('Port that agents dial, path /agent.', 8443),
  RESPROXY_ADMIN_PORT: port('Port of /livez, /readyz and /metrics.', 9464),
  RESPROXY_REPORT_TOKEN_FILE: optionalText(
    'File with the token that the operator asks /agent-counts on the admin port with; left out, nobody is told.',
  ),
  RESPROXY_TLS_CERT: optionalText(
    'PEM file of the certificate chain for callers and agents; read again when it changes.',
  ),
  RESPROXY_TLS_KEY: optionalText('PEM file of its private key.'),
  RESPROXY_AGENT_TLS_CERT: optionalText('PEM file of another certificate chain for the agent port.'),
  RESPROXY_AGENT_TLS_KEY: optionalText('PEM file of its private key.'),
  RESPROXY_PLAINTEXT: list(
    'Doors that may be plain off loopback because a proxy terminates TLS: agent, http, grpc.',
    parseDoor,
    '',
  ),
  RESPROXY_TRUSTED_PROXIES: list('Networks (CIDR) whose X-Forwarded-For is believed.', parseRange, ''),
  RESPROXY_CORS_ORIGINS: list(
    'Origins (https://app.example.org) whose pages may call the HTTP port from a browser; * lets every page in.',
    parseOrigin,
    '',
  ),
  RESPROXY_KEYS: keysSetting,
  RESPROXY_CALLERS: text('Where callers come from: file:PATH, or none (everybody is let in; on loopback only).', {
    fallback: 'file:./.resproxy/callers.json',
    pattern: /^(file:.+|none)$/,
    what: 'file:PATH or none',
  }),
  RESPROXY_POD_ID: text('Name of this pod.', {
    fallback: podName(),
    pattern: /^[A-Za-z0-9._-]{1,128}$/,
    what: '1 to 128 letters, digits, dots, dashes or underscores',
  }),
  RESPROXY_LAME_DUCK_MS: integer(
    'Milliseconds after SIGTERM in which everything is still taken while balancers that ask /readyz look elsewhere.',
    { fallback: 5_000, min: 0, max: 600_000 },
  ),
  RESPROXY_SHUTDOWN_GRACE_MS: integer('Milliseconds that jobs have to finish after SIGTERM.', {
    fallback: 45_000,
    min: 0,
    max: 3_600_000,
  }),
  RESPROXY_DRAIN_SPREAD_MS: integer('Milliseconds over which agents are told to dial another pod.', {
    fallback: 10_000,
    min: 0,
    max: 600_000,
  }),
  RESPROXY_BUFFER_BYTES: integer('Bytes that all stream buffers may hold together.', {
    fallback: 256 * MiB,
    min: MiB,
    max: 2 ** 40,
  }),
  ...fleetSettings,
  ...queueSettings,
  LOG_LEVEL: logLevel,
};

export function readConfig(env: NodeJS.ProcessEnv): OrchestratorConfig {
  const values = readSettings(settings, env);
  const faults: string[] = [];
  const tls = pemFiles(values, 'RESPROXY_TLS', faults);
  const agentTls = pemFiles(values, 'RESPROXY_AGENT_TLS', faults) ?? tls;
  const open = !isLoopback(values.RESPROXY_BIND);
  if (open) faults.push(...plainDoors(values.RESPROXY_PLAINTEXT, { http: tls, grpc: tls, agent: agentTls }));
  if (open && values.RESPROXY_CALLERS === 'none') {
    faults.push(
      `RESPROXY_CALLERS: none lets everybody in and is allowed only while RESPROXY_BIND is a loopback address`,
    );
  }
  const fleet = readFleet(values, values.RESPROXY_BIND, faults);
  if (faults.length > 0) throw new SettingsError(faults);
  return {
    bind: values.RESPROXY_BIND,
    adminBind: values.RESPROXY_ADMIN_BIND,
    ports: {
      http: values.RESPROXY_HTTP_PORT,
      grpc: values.RESPROXY_GRPC_PORT,
      agent: values.RESPROXY_AGENT_PORT,
      admin: values.RESPROXY_ADMIN_PORT,
    },
    tls,
    agentTls,
    plaintext: values.RESPROXY_PLAINTEXT,
    trustedProxies: values.RESPROXY_TRUSTED_PROXIES,
    corsOrigins: values.RESPROXY_CORS_ORIGINS,
    keys: values.RESPROXY_KEYS,
    reportTokenPath: values.RESPROXY_REPORT_TOKEN_FILE,
    callersFile: values.RESPROXY_CALLERS === 'none' ? undefined : values.RESPROXY_CALLERS.slice('file:'.length),
    podId: values.RESPROXY_POD_ID,
    fleet,
    queue: readQueue(values),
    lameDuckMs: values.RESPROXY_LAME_DUCK_MS,
    shutdownGraceMs: values.RESPROXY_SHUTDOWN_GRACE_MS,
    drainSpreadMs: values.RESPROXY_DRAIN_SPREAD_MS,
    bufferBytes: values.RESPROXY_BUFFER_BYTES,
    logLevel: values.LOG_LEVEL,
  };
}

type Values = SettingValues<typeof settings>;

function pemFiles(
  values: Values,
  prefix: 'RESPROXY_TLS' | 'RESPROXY_AGENT_TLS',
  faults: string[],
): PemFiles | undefined {
  const certPath = values[`${prefix}_CERT`];
  const keyPath = values[`${prefix}_KEY`];
  if (certPath && keyPath) return { certPath, keyPath };
  if (certPath) faults.push(`${prefix}_KEY: is needed with ${prefix}_CERT`);
  if (keyPath) faults.push(`${prefix}_CERT: is needed with ${prefix}_KEY`);
  return undefined;
}

function plainDoors(allowed: readonly Door[], certificates: Record<Door, PemFiles | undefined>): string[] {
  return doors
    .filter((door) => !certificates[door] && !allowed.includes(door))
    .map(
      (door) =>
        `RESPROXY_PLAINTEXT: the ${door} door would be open to the network without TLS: set RESPROXY_TLS_CERT and _KEY, ` +
        `or name ${door} here when a proxy in front of it terminates TLS`,
    );
}

function parseDoor(item: string): Door {
  const door = doors.find((name) => name === item);
  if (!door) throw new Error(`must be one of ${doors.join(', ')}`);
  return door;
}

/** As browsers write it, so that it can be compared as it is. */
function parseOrigin(item: string): string {
  if (item === '*' || (/^https?:[^*]+$/.test(item) && URL.canParse(item) && new URL(item).origin === item)) return item;
  throw new Error('must be an origin such as https://app.example.org, without a path, or *');
}

function podName(): string {
  return (
    hostname()
      .replace(/[^A-Za-z0-9._-]/g, '-')
      .slice(0, 128) || 'pod'
  );
}
