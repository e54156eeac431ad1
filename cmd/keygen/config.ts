// What keygen is asked for, from its arguments, and which file it writes to, from --file or the orchestrator's settings.
import { parseArgs } from 'node:util';
import type { AgentKeyPolicy } from '../../internal/keygen/agent-key.ts';
import { type CallerInput, scopes } from '../../internal/keygen/caller-token.ts';

export type Order =
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'agent'; readonly path: string; readonly policy: AgentKeyPolicy }
  | { readonly kind: 'caller'; readonly path: string; readonly caller: CallerInput };

export const help = `Makes a key for an agent, or a token for a caller. It is printed once and only its digest is kept.

A key for an agent:
  npm run keygen -- --name NAME [options]
    --labels k=v,..       said of its exits; country, region, city and asn fill the typed fields
    --tenants a,b         tenants that may use its agents (default: all)
    --max-agents N        agents by different names that may be connected at once
    --max-concurrent N    jobs at once on each of its exits
    --not-after TIME      when it ends, such as 2030-01-31T00:00:00Z
    --file PATH           keys file (default: RESPROXY_KEYS, or ./.resproxy/agent-keys.json)

A token for a caller:
  npm run keygen -- --caller NAME --tenant TENANT [options]
    --scopes a,b          of ${scopes.join(', ')} (default: jobs:run)
    --file PATH           callers file (default: RESPROXY_CALLERS, or ./.resproxy/callers.json)
`;

const value = { type: 'string' } as const;
const flag = { type: 'boolean' } as const;
const agentOptions = ['labels', 'tenants', 'max-agents', 'max-concurrent', 'not-after'] as const;
const callerOptions = ['tenant', 'scopes'] as const;

type Values = ReturnType<typeof parse>;

/** Throws an Error with a sentence for whoever typed it. */
export function readOrder(args: readonly string[], env: NodeJS.ProcessEnv): Order {
  const values = parse(args);
  if (values.help) return { kind: 'help' };
  if (values.version) return { kind: 'version' };
  if (values.caller !== undefined) return callerOrder(values.caller, values, env);
  if (values.name !== undefined) return agentOrder(values.name, values, env);
  throw new Error('--name NAME makes a key for an agent, --caller NAME a token for a caller');
}

function parse(args: readonly string[]) {
  const options = {
    help: { ...flag, short: 'h' },
    version: { ...flag, short: 'v' },
    name: value,
    caller: value,
    file: value,
    labels: value,
    tenants: value,
    'max-agents': value,
    'max-concurrent': value,
    'not-after': value,
    tenant: value,
    scopes: value,
  } as const;
  return parseArgs({ args: [...args], options }).values;
}

function agentOrder(name: string, values: Values, env: NodeJS.ProcessEnv): Order {
  refuse(callerOptions, values, '--name');
  const policy: AgentKeyPolicy = {
    name,
    ...(values.labels === undefined ? {} : { labels: pairs(values.labels) }),
    ...(values.tenants === undefined ? {} : { tenants: items(values.tenants) }),
    ...(values['max-agents'] === undefined ? {} : { maxAgents: Number(values['max-agents']) }),
    ...(values['max-concurrent'] === undefined ? {} : { limits: { maxConcurrent: Number(values['max-concurrent']) } }),
    ...(values['not-after'] === undefined ? {} : { notAfter: values['not-after'] }),
  };
  return { kind: 'agent', path: values.file ?? fileOf('RESPROXY_KEYS', env) ?? './.resproxy/agent-keys.json', policy };
}

function callerOrder(name: string, values: Values, env: NodeJS.ProcessEnv): Order {
  refuse([...agentOptions, 'name'], values, '--caller');
  if (values.tenant === undefined) throw new Error('--caller needs --tenant TENANT');
  const caller = { name, tenant: values.tenant, scopes: items(values.scopes ?? 'jobs:run') as CallerInput['scopes'] };
  return { kind: 'caller', path: values.file ?? fileOf('RESPROXY_CALLERS', env) ?? './.resproxy/callers.json', caller };
}

function refuse(options: readonly (keyof Values)[], values: Values, kind: string): void {
  const [wrong] = options.filter((option) => values[option] !== undefined);
  if (wrong !== undefined) throw new Error(`--${wrong} does not go with ${kind}`);
}

/** The path in a setting such as `file:./keys.json`. */
function fileOf(setting: string, env: NodeJS.ProcessEnv): string | undefined {
  const text = env[setting];
  if (text === undefined || text === '') return undefined;
  if (!text.startsWith('file:')) throw new Error(`${setting} names no file; say which with --file PATH`);
  return text.slice('file:'.length);
}

function items(text: string): string[] {
  return text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== '');
}

function pairs(text: string): Record<string, string> {
  return Object.fromEntries(
    items(text).map((item) => {
      const [key = '', ...rest] = item.split('=');
      if (rest.length === 0) throw new Error(`--labels: ${item} is not of the form name=value`);
      return [key.trim(), rest.join('=').trim()];
    }),
  );
}
