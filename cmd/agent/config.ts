// The agent's settings: what each means, its default and its bounds. Nothing else of this program sees the environment.
import * as z from 'zod';
import { maxLabels, parseEndpoint, parseLabel } from '../../internal/agent/app.ts';
import {
  integer,
  list,
  logLevel,
  oneOf,
  readSettings,
  type Setting,
  SettingsError,
  type SettingValues,
  text,
} from '../../internal/kit/settings.ts';
import { withDotEnv } from './dot-env.ts';

export const settings = {
  ORCH_WS: required(
    'Where the orchestrator takes agents: wss://HOST/agent. For a certificate of a private authority, set' +
      ' NODE_EXTRA_CA_CERTS to its PEM file (in the real environment, not in .env: Node reads it first).',
    urlFault,
  ),
  AGENT_KEY: required('The key that this agent was given. A secret.', keyFault),
  AGENT_NAME: text('Tells agents with the same key apart: 1 to 63 lower-case letters, digits and dashes.', {
    fallback: 'default',
    pattern: /^[a-z0-9-]{1,63}$/,
    what: '1 to 63 lower-case letters, digits and dashes',
  }),
  AGENT_MAX_CONCURRENT: integer('Jobs that run at once, at most: 1 to 1024.', { fallback: 8, min: 1, max: 1024 }),
  AGENT_LABELS: labels(`What callers may choose this agent by, at most ${maxLabels}: country=DE,region=BE.`),
  AGENT_ALLOW_PORTS: list('Ports that jobs may reach on the internet.', parsePort, '80,443'),
  AGENT_ALLOW_ENDPOINTS: list(
    'For labs and tests: private addresses that jobs may reach all the same, each as address/prefix:port.',
    parseEndpoint,
    '',
  ),
  AGENT_ALLOW_PLAINTEXT: oneOf(
    'true: ws:// is used beyond this machine as well. Whoever is on the way then reads the key and every job.',
    ['false', 'true'],
    'false',
  ),
  AGENT_GRACE_PERIOD_MS: integer('How long running jobs have to finish when the agent stops, in milliseconds.', {
    fallback: 10_000,
    min: 0,
    max: 600_000,
  }),
  LOG_LEVEL: logLevel,
};

export type AgentSettings = SettingValues<typeof settings>;

/** Reads `.env` under the environment. Throws a SettingsError with every fault of both. */
export function readAgentSettings(realEnv: NodeJS.ProcessEnv, dotEnvPath?: string): AgentSettings {
  const { env, faults } = withDotEnv(realEnv, dotEnvPath);
  try {
    const values = readSettings(settings, env);
    if (faults.length === 0 && plaintextFault(env) === undefined) return values;
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    faults.push(...error.faults);
  }
  throw new SettingsError([...faults, ...[plaintextFault(env) ?? []].flat()]);
}

function required(help: string, fault: (value: string) => string | undefined): Setting<string> {
  const schema = z.string('must be set').superRefine((value, ctx) => {
    const message = fault(value);
    if (message !== undefined) ctx.addIssue({ code: 'custom', message });
  });
  return { schema, help, shownDefault: 'none, must be set' };
}

function urlFault(value: string): string | undefined {
  const url = URL.parse(value);
  if (!url || (url.protocol !== 'wss:' && url.protocol !== 'ws:')) return 'must be a URL such as wss://HOST/agent';
  if (url.username !== '' || url.password !== '') return 'must not hold a user name or a password';
  return url.hash === '' ? undefined : 'must not have a part behind #';
}

/** Two settings together: a key sent in the clear over somebody's network is a key given away. */
function plaintextFault(env: NodeJS.ProcessEnv): string | undefined {
  const url = URL.parse(env.ORCH_WS ?? '');
  if (url?.protocol !== 'ws:' || isLoopback(url.hostname) || env.AGENT_ALLOW_PLAINTEXT === 'true') return undefined;
  return 'ORCH_WS: must begin with wss:// beyond this machine; AGENT_ALLOW_PLAINTEXT=true allows it all the same';
}

/** The URL parser has already written every spelling of an IPv4 address in four decimal parts. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname);
}

/** It has to fit into a header; what is right beyond that, the orchestrator knows. */
function keyFault(value: string): string | undefined {
  return /^[\x21-\x7e]{1,512}$/.test(value) ? undefined : 'must be the key as it was given: no spaces or line breaks';
}

function parsePort(item: string): number {
  const port = /^\d{1,5}$/.test(item) ? Number(item) : 0;
  if (port < 1 || port > 65535) throw new Error('must be a port from 1 to 65535');
  return port;
}

function labels(help: string): Setting<Readonly<Record<string, string>>> {
  const pairs = list(help, parseLabel, '');
  const schema = pairs.schema.transform((entries, ctx) => {
    const record = Object.fromEntries(entries);
    if (entries.length > maxLabels) ctx.addIssue({ code: 'custom', message: `must be at most ${maxLabels}` });
    if (Object.keys(record).length < entries.length) ctx.addIssue({ code: 'custom', message: 'names a label twice' });
    return record;
  });
  return { ...pairs, schema };
}
