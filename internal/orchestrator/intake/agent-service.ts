// AgentService, the one implementation behind every door: the fleet as the caller's tenant may see it, and what its
// platform engineers may do to an agent.
import {
  AgentStatus,
  type DisconnectAgentRequest,
  type DisconnectAgentResponse,
  type DrainAgentRequest,
  type DrainAgentResponse,
  type GetAgentRequest,
  type GetAgentResponse,
  type ListAgentsRequest,
  type ListAgentsResponse,
  ListAgentsRequest_SortBy as SortBy,
  ListAgentsRequest_SortOrder as SortOrder,
  type WatchAgentsRequest,
  type WatchAgentsResponse,
} from '../../../gen/resproxy/v1/agent_pb.ts';
import type { Clock } from '../../kit/clock.ts';
import { JobFailure } from '../failure/failures.ts';
import type { AgentControl, AgentDirectory, AgentRecord, AgentStatus as StatusName } from '../registry/agents.ts';
import { toAgent, toWatchAgentsResponse } from './agent-messages.ts';
import { type PageQuery, pageOf, type SortKey } from './agent-page.ts';
import type { CallContext } from './call.ts';
import { bounds } from './validate/bounds.ts';
import { invalid, refuseUnknown } from './validate/faults.ts';
import { Watches } from './watches.ts';

const statusNames: ReadonlyMap<number, StatusName | undefined> = new Map([
  [AgentStatus.UNSPECIFIED, undefined],
  [AgentStatus.AVAILABLE, 'available'],
  [AgentStatus.BUSY, 'busy'],
  [AgentStatus.DRAINING, 'draining'],
]);
const sortKeys: ReadonlyMap<number, SortKey> = new Map([
  [SortBy.UNSPECIFIED, 'agentId'],
  [SortBy.CONNECTION_TIME, 'connectionTime'],
  [SortBy.LAST_HEARTBEAT, 'lastHeartbeat'],
  [SortBy.AGENT_ID, 'agentId'],
  [SortBy.STATUS, 'status'],
]);
const descending: ReadonlyMap<number, boolean> = new Map([
  [SortOrder.UNSPECIFIED, false],
  [SortOrder.ASC, false],
  [SortOrder.DESC, true],
]);

export class AgentService {
  readonly #directory: AgentDirectory;
  readonly #control: AgentControl;
  readonly #watches: Watches;

  constructor(directory: AgentDirectory, control: AgentControl, clock: Clock) {
    this.#directory = directory;
    this.#control = control;
    this.#watches = new Watches(clock);
  }

  listAgents(request: ListAgentsRequest, { caller }: CallContext): ListAgentsResponse {
    const { agents, nextToken } = pageOf(this.#directory.list(caller.tenant), toQuery(request));
    return { $typeName: 'resproxy.v1.ListAgentsResponse', agents: agents.map(toAgent), nextPageToken: nextToken };
  }

  getAgent(request: GetAgentRequest, context: CallContext): GetAgentResponse {
    return { $typeName: 'resproxy.v1.GetAgentResponse', agent: toAgent(this.#find(request, context)) };
  }

  /** Ends as every watch does. */
  async *watchAgents(
    request: WatchAgentsRequest,
    context: CallContext,
  ): AsyncGenerator<WatchAgentsResponse, void, undefined> {
    refuseUnknown('', request);
    const { tenant } = context.caller;
    for await (const change of this.#watches.during(context, (until) => this.#directory.watch(tenant, until)))
      yield toWatchAgentsResponse(change);
  }

  /** A watch would go on for ever: whoever watches is sent to another pod. */
  endWatches(): void {
    this.#watches.end();
  }

  async drainAgent(request: DrainAgentRequest, context: CallContext): Promise<DrainAgentResponse> {
    const { agentId } = this.#find(request, context);
    return { $typeName: 'resproxy.v1.DrainAgentResponse', connections: await this.#control.drain(agentId) };
  }

  async disconnectAgent(request: DisconnectAgentRequest, context: CallContext): Promise<DisconnectAgentResponse> {
    const { agentId } = this.#find(request, context);
    return { $typeName: 'resproxy.v1.DisconnectAgentResponse', connections: await this.#control.disconnect(agentId) };
  }

  #find(request: GetAgentRequest | DrainAgentRequest | DisconnectAgentRequest, { caller }: CallContext): AgentRecord {
    refuseUnknown('', request);
    if (request.agentId === '') throw invalid('agent_id', 'is missing');
    const agent = this.#directory.get(caller.tenant, request.agentId);
    if (!agent) throw new JobFailure('AGENT_NOT_FOUND', { field: 'agent_id' });
    return agent;
  }
}

function toQuery(request: ListAgentsRequest): PageQuery {
  refuseUnknown('', request);
  const sortBy = sortKeys.get(request.sortBy);
  if (!statusNames.has(request.status)) throw invalid('status', 'is not one that this version knows');
  if (!sortBy) throw invalid('sort_by', 'is not one that this version knows');
  const isDescending = descending.get(request.sortOrder);
  if (isDescending === undefined) throw invalid('sort_order', 'is not one that this version knows');
  if (request.pageSize > bounds.maxPageSize) throw invalid('page_size', `must be 1 to ${bounds.maxPageSize}`);
  return {
    status: statusNames.get(request.status),
    agentId: request.agentId,
    country: request.country.toUpperCase(),
    sortBy,
    descending: isDescending,
    size: request.pageSize === 0 ? bounds.defaultPageSize : request.pageSize,
    token: request.pageToken,
  };
}
