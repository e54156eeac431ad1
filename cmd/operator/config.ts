// The operator's settings: the only file of the program that sees the environment. How to reach the API server is no
// setting of ours: KUBECONFIG and a pod's ServiceAccount are read as every Kubernetes client reads them.
import { hostname } from 'node:os';
import * as z from 'zod';
import {
  integer,
  list,
  logLevel,
  optionalText,
  readSettings,
  type Setting,
  SettingsError,
  text,
} from '../../internal/kit/settings.ts';
import type { OperatorConfig } from '../../internal/operator/app.ts';

const all = '*';
const label = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

export const settings = {
  ORCH_WS: agentUrl('What agents dial, written into every Secret: wss://HOST/agent.'),
  RESPROXY_NAMESPACES: list(
    'Namespaces whose AgentKeys are looked after; * is all of them. Left out: the one the operator lives in.',
    parseNamespace,
    '',
  ),
  RESPROXY_LEASE_NAME: text('Name of the Lease that decides which of several operators acts.', {
    fallback: 'resproxy-operator',
    pattern: label,
    what: 'a name of lower-case letters, digits and dashes',
  }),
  RESPROXY_LEASE_NAMESPACE: optionalText('Namespace of the Lease. Left out: the one the operator lives in.'),
  RESPROXY_ADMIN_BIND: text('IP address of the admin listener.', {
    fallback: '127.0.0.1',
    pattern: /^[0-9a-fA-F.:]+$/,
    what: 'an IP address',
  }),
  RESPROXY_ADMIN_PORT: integer('Port of /livez, /readyz and /metrics. 0 lets the system choose.', {
    fallback: 9464,
    min: 0,
    max: 65_535,
  }),
  RESPROXY_REPORT_URL: optionalText(
    'Where orchestrators report connected agents for status.agents: http://HOST:9464/agent-counts. Left out: nowhere.',
  ),
  RESPROXY_REPORT_TOKEN_FILE: optionalText('File with the token that the report is asked with.'),
  RESPROXY_POD_ID: text('Name of this process, as the Lease shows it.', {
    fallback:
      hostname()
        .replace(/[^A-Za-z0-9._-]/g, '-')
        .slice(0, 63) || 'operator',
    pattern: /^[A-Za-z0-9._-]{1,63}$/,
    what: '1 to 63 letters, digits, dots, dashes or underscores',
  }),
  LOG_LEVEL: logLevel,
};

export function readConfig(env: NodeJS.ProcessEnv): OperatorConfig {
  const values = readSettings(settings, env);
  const { RESPROXY_REPORT_URL: url, RESPROXY_REPORT_TOKEN_FILE: tokenPath } = values;
  const faults: string[] = [];
  if (url !== undefined && !URL.canParse(url)) faults.push('RESPROXY_REPORT_URL: must be a URL');
  if (url && !tokenPath) faults.push('RESPROXY_REPORT_TOKEN_FILE: is needed with RESPROXY_REPORT_URL');
  if (tokenPath && !url) faults.push('RESPROXY_REPORT_URL: is needed with RESPROXY_REPORT_TOKEN_FILE');
  if (faults.length > 0) throw new SettingsError(faults);
  return {
    orchWs: values.ORCH_WS,
    namespaces: namespaces(values.RESPROXY_NAMESPACES),
    lease: { name: values.RESPROXY_LEASE_NAME, namespace: values.RESPROXY_LEASE_NAMESPACE },
    adminBind: values.RESPROXY_ADMIN_BIND,
    adminPort: values.RESPROXY_ADMIN_PORT,
    report: url && tokenPath ? { url, tokenPath } : undefined,
    podId: values.RESPROXY_POD_ID,
    logLevel: values.LOG_LEVEL,
  };
}

function namespaces(names: readonly string[]): OperatorConfig['namespaces'] {
  if (names.includes(all)) return 'all';
  return names.length === 0 ? 'own' : [...new Set(names)];
}

function parseNamespace(item: string): string {
  if (item === all || label.test(item)) return item;
  throw new Error('must be the name of a namespace, or *');
}

function agentUrl(help: string): Setting<string> {
  const schema = z
    .string('must be set, such as wss://agents.example.org/agent')
    .refine(isAgentUrl, 'must be a URL such as wss://agents.example.org/agent, without a user or a fragment');
  return { schema, help, shownDefault: 'none' };
}

/** Plain ws:// is for labs; the agent refuses it beyond its own machine unless told otherwise. */
function isAgentUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, hash } = new URL(value);
  return (protocol === 'wss:' || protocol === 'ws:') && username === '' && password === '' && hash === '';
}
