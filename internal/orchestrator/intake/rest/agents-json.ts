// GET /agents: its query as a ListAgentsRequest, and a ListAgentsResponse as its JSON.
import { type Timestamp, timestampDate } from '@bufbuild/protobuf/wkt';
import {
  type Agent,
  AgentStatus,
  type Exit,
  type ListAgentsRequest,
  type ListAgentsResponse,
  ListAgentsRequest_SortBy as SortBy,
  ListAgentsRequest_SortOrder as SortOrder,
} from '../../../../gen/resproxy/v1/agent_pb.ts';
import { kindNumbers, stateNumbers, statusNumbers } from '../agent-messages.ts';
import { bounds } from '../validate/bounds.ts';
import { invalid } from '../validate/faults.ts';
import { limit } from './query.ts';

const sortBys = {
  connectionTime: SortBy.CONNECTION_TIME,
  lastHeartbeat: SortBy.LAST_HEARTBEAT,
  agentId: SortBy.AGENT_ID,
  status: SortBy.STATUS,
} as const;
const sortOrders = { asc: SortOrder.ASC, desc: SortOrder.DESC } as const;
const parameters = ['status', 'agentId', 'country', 'sortBy', 'sortOrder', 'limit', 'nextToken'];

/** Throws a JobFailure that names the parameter. */
export function toListRequest(query: URLSearchParams): ListAgentsRequest {
  for (const name of query.keys()) {
    if (!parameters.includes(name)) throw invalid(name, 'is no parameter of this list');
    if (query.getAll(name).length > 1) throw invalid(name, 'is given more than once');
  }
  return {
    $typeName: 'resproxy.v1.ListAgentsRequest',
    status: oneOf(query, 'status', statusNumbers) ?? AgentStatus.UNSPECIFIED,
    agentId: query.get('agentId') ?? '',
    country: query.get('country') ?? '',
    sortBy: oneOf(query, 'sortBy', sortBys) ?? SortBy.UNSPECIFIED,
    sortOrder: oneOf(query, 'sortOrder', sortOrders) ?? SortOrder.UNSPECIFIED,
    pageSize: limit(query, bounds.maxPageSize),
    pageToken: query.get('nextToken') ?? '',
  };
}

export function toAgentList({ agents, nextPageToken }: ListAgentsResponse): object {
  return { agents: agents.map(toAgentJson), nextToken: nextPageToken === '' ? undefined : nextPageToken };
}

function oneOf<N extends number>(query: URLSearchParams, name: string, values: Record<string, N>): N | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  if (!Object.hasOwn(values, text)) throw invalid(name, `must be one of ${Object.keys(values).join(', ')}`);
  return values[text];
}

function toAgentJson(agent: Agent): object {
  return {
    connectionId: agent.connectionId,
    agentId: agent.agentId,
    status: nameOf(statusNumbers, agent.status),
    connectedAt: toIso(agent.connectedAt),
    lastHeartbeat: toIso(agent.lastHeartbeat),
    podId: agent.podId,
    version: agent.version,
    exits: agent.exits.map(toExitJson),
    metadata: agent.metadata,
  };
}

function toExitJson(exit: Exit): object {
  const { exitId, capacity, inFlight, country, region, city, asn, labels } = exit;
  const kind = nameOf(kindNumbers, exit.kind);
  const state = nameOf(stateNumbers, exit.state);
  return { exitId, kind, state, capacity, inFlight, country, region, city, asn, labels };
}

function nameOf(numbers: Readonly<Record<string, number>>, number: number): string | undefined {
  return Object.keys(numbers).find((name) => numbers[name] === number);
}

function toIso(timestamp: Timestamp | undefined): string | undefined {
  return timestamp && timestampDate(timestamp).toISOString();
}
