// RESPROXY_KEYS: a file, or AgentKeys of the namespaces that the platform lists, each with the tenant it belongs to.
import * as z from 'zod';
import type { Setting } from '../../internal/kit/settings.ts';
import type { KeysConfig, WatchedNamespace } from '../../internal/orchestrator/open-keys.ts';

const defaultKeys = 'file:./.resproxy/agent-keys.json';
const namespacePattern = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const tenantPattern = /^[A-Za-z0-9._-]{1,128}$/;

export const keysSetting: Setting<KeysConfig> = {
  schema: z
    .string()
    .default(defaultKeys)
    .transform((value, ctx) => {
      try {
        return parseKeys(value);
      } catch (error) {
        ctx.addIssue({ code: 'custom', message: error instanceof Error ? error.message : 'is not valid' });
        return z.NEVER;
      }
    }),
  help:
    'Where agent keys come from: file:PATH, or kubernetes:NAMESPACE[=TENANT][,...] for the AgentKeys of these namespaces;' +
    ' with a tenant, the keys of a namespace serve that tenant alone.',
  shownDefault: defaultKeys,
};

function parseKeys(value: string): KeysConfig {
  const [, kind, rest = ''] = /^(file|kubernetes):(.+)$/.exec(value) ?? [];
  if (kind === 'file') return { kind, path: rest };
  if (kind !== 'kubernetes') throw new Error('must be file:PATH or kubernetes:NAMESPACE[=TENANT][,...]');
  const namespaces = rest.split(',').map((item) => parseNamespace(item.trim()));
  const names = new Set(namespaces.map(({ namespace }) => namespace));
  if (names.size < namespaces.length) throw new Error('must name each namespace once');
  return { kind, namespaces };
}

function parseNamespace(item: string): WatchedNamespace {
  const [namespace = '', tenant, ...more] = item.split('=');
  if (!namespacePattern.test(namespace) || more.length > 0)
    throw new Error(`${item}: must be the name of a namespace, or NAMESPACE=TENANT`);
  if (tenant !== undefined && !tenantPattern.test(tenant))
    throw new Error(`${item}: a tenant has 1 to 128 letters, digits, dots, dashes or underscores`);
  return { namespace, tenant };
}
