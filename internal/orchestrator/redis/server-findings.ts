// What is wrong with the settings of a Redis for keeping a fleet's state. Each sentence says what to set.
import type { RedisUrl } from './redis-url.ts';
import type { ServerFacts } from './server-facts.ts';

export interface Finding {
  /** A fatal one loses data or fails commands; with a warning only a restart of Redis does. */
  readonly level: 'fatal' | 'warning';
  readonly text: string;
}

const minMajor = 7;

export function findingsOf(kind: RedisUrl['kind'], facts: ServerFacts): readonly Finding[] {
  return [versionOf(facts), evictionOf(facts), roleOf(facts), modeOf(kind, facts), persistenceOf(facts)].flatMap(
    (finding) => (finding ? [{ ...finding, text: `${facts.node}: ${finding.text}` }] : []),
  );
}

function versionOf({ info }: ServerFacts): Finding | undefined {
  const version = info.get('redis_version') ?? '';
  if (Number.parseInt(version, 10) >= minMajor) return undefined;
  return fatal(`Redis ${minMajor} or newer is needed, and this says ${version || 'no version'}`);
}

/** INFO tells the policy even where CONFIG is not allowed. */
function evictionOf({ info }: ServerFacts): Finding | undefined {
  const policy = info.get('maxmemory_policy');
  if (policy === 'noeviction') return undefined;
  if (policy === undefined) return warning('it does not tell its maxmemory-policy, which must be noeviction');
  return fatal(`it drops keys when memory is short (${policy}): CONFIG SET maxmemory-policy noeviction`);
}

function roleOf({ info }: ServerFacts): Finding | undefined {
  return info.get('role') === 'slave' ? fatal('it is a replica and takes no writes: name its master') : undefined;
}

function modeOf(kind: RedisUrl['kind'], { info, clusterState }: ServerFacts): Finding | undefined {
  const clustered = info.get('cluster_enabled') === '1';
  if (clustered && kind !== 'cluster') return fatal('it is part of a Cluster: begin REDIS_URL with redis+cluster://');
  if (kind === 'cluster' && clusterState !== 'ok') {
    return warning(`its Cluster is not whole (cluster_state ${clusterState ?? 'unknown'}): see CLUSTER INFO`);
  }
  return undefined;
}

function persistenceOf({ info, save }: ServerFacts): Finding | undefined {
  if (info.get('aof_enabled') === '1' || (save !== undefined && save !== '')) return undefined;
  if (save === undefined)
    return warning('it does not tell whether it saves snapshots: allow +config|get, or use the AOF');
  return warning('a restart loses what it holds: CONFIG SET appendonly yes');
}

function fatal(text: string): Finding {
  return { level: 'fatal', text };
}

function warning(text: string): Finding {
  return { level: 'warning', text };
}
