// One page of the fleet: filtered, sorted, and continued after the last agent of the page before. The token holds that
// agent's place in the order, so agents that come and go between two pages move no other across the border.
import { hash } from 'node:crypto';
import * as z from 'zod';
import type { AgentRecord, AgentStatus } from '../registry/agents.ts';
import { bounds } from './validate/bounds.ts';
import { invalid } from './validate/faults.ts';

export type SortKey = 'connectionTime' | 'lastHeartbeat' | 'agentId' | 'status';

export interface PageQuery {
  /** Undefined or empty asks nothing. */
  readonly status: AgentStatus | undefined;
  readonly agentId: string;
  readonly country: string;
  readonly sortBy: SortKey;
  readonly descending: boolean;
  readonly size: number;
  /** Empty: the first page. */
  readonly token: string;
}

export interface Page {
  readonly agents: readonly AgentRecord[];
  /** Empty: this is the last page. */
  readonly nextToken: string;
}

type Key = string | number;
type Place = readonly [key: Key, connectionId: string];

const keys: Readonly<Record<SortKey, (agent: AgentRecord) => Key>> = {
  connectionTime: (agent) => agent.connectedAt,
  lastHeartbeat: (agent) => agent.lastHeartbeat,
  agentId: (agent) => agent.agentId,
  status: (agent) => agent.status,
};

const tokenSchema = z.tuple([z.string(), z.union([z.string(), z.number()]), z.string()]);

export function pageOf(agents: readonly AgentRecord[], query: PageQuery): Page {
  const keyOf = keys[query.sortBy];
  const placeOf = (agent: AgentRecord): Place => [keyOf(agent), agent.connectionId];
  const direction = query.descending ? -1 : 1;
  const after = query.token === '' ? undefined : readToken(query);
  const sorted = agents
    .filter((agent) => matches(agent, query) && (!after || direction * compare(placeOf(agent), after) > 0))
    .sort((a, b) => direction * compare(placeOf(a), placeOf(b)));
  const page = sorted.slice(0, query.size);
  const last = page.at(-1);
  return { agents: page, nextToken: last && sorted.length > page.length ? writeToken(query, placeOf(last)) : '' };
}

function matches(agent: AgentRecord, { status, agentId, country }: PageQuery): boolean {
  if (status !== undefined && agent.status !== status) return false;
  if (agentId !== '' && agent.agentId !== agentId) return false;
  return country === '' || agent.exits.some((exit) => exit.country === country);
}

function compare(a: Place, b: Place): number {
  return compareKeys(a[0], b[0]) || compareKeys(a[1], b[1]);
}

function compareKeys(a: Key, b: Key): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** A place means something only in the order and among the agents that it was taken from. */
function fingerprint({ status, agentId, country, sortBy, descending }: PageQuery): string {
  return hash('sha256', JSON.stringify([status, agentId, country, sortBy, descending]), 'base64url').slice(0, 12);
}

function writeToken(query: PageQuery, place: Place): string {
  return Buffer.from(JSON.stringify([fingerprint(query), ...place])).toString('base64url');
}

function readToken(query: PageQuery): Place {
  const [mark, ...place] = decodeToken(query.token);
  if (mark !== fingerprint(query)) throw invalid('page_token', 'belongs to other filters or another order');
  return place;
}

function decodeToken(token: string): z.infer<typeof tokenSchema> {
  try {
    if (token.length <= bounds.maxPageTokenLength)
      return tokenSchema.parse(JSON.parse(Buffer.from(token, 'base64url').toString()));
  } catch {
    // Told below, like a token that is too long.
  }
  throw invalid('page_token', 'is not a token of this API');
}
