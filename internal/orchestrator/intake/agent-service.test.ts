import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { beforeEach, describe, expect, test } from '@jest/globals';
import {
  AgentStatus,
  DisconnectAgentRequestSchema,
  DrainAgentRequestSchema,
  GetAgentRequestSchema,
  ListAgentsRequestSchema,
  ListAgentsRequest_SortBy as SortBy,
  ListAgentsRequest_SortOrder as SortOrder,
} from '../../../gen/resproxy/v1/agent_pb.ts';
import { ManualClock } from '../../kit/manual-clock.ts';
import { AgentService } from './agent-service.ts';
import { freshLoad, unlimited } from './auth/caller.ts';
import type { CallContext } from './call.ts';
import { agentRecord, FakeFleet } from './fixture.ts';

let fleet: FakeFleet;
let service: AgentService;

beforeEach(() => {
  fleet = new FakeFleet();
  service = new AgentService(fleet, fleet, new ManualClock());
});

function context(tenant = 'acme'): CallContext {
  const caller = { name: 'a', tenant, scopes: new Set<never>(), limits: unlimited, load: freshLoad() };
  return {
    door: 'grpc',
    caller,
    requestId: 'r',
    deadlineMs: undefined,
    signal: new AbortController().signal,
    traceparent: '',
  };
}

function list(init: MessageInitShape<typeof ListAgentsRequestSchema> = {}) {
  const { agents, nextPageToken } = service.listAgents(create(ListAgentsRequestSchema, init), context());
  return { ids: agents.map(({ agentId }) => agentId), nextPageToken };
}

describe('the list', () => {
  test('is filtered by status, agent and country', () => {
    const [exit] = agentRecord('c').exits;
    fleet.agents = [
      agentRecord('a'),
      agentRecord('b', { status: 'busy' }),
      agentRecord('c', { exits: exit ? [{ ...exit, country: 'FR' }] : [] }),
    ];
    expect(list({ status: AgentStatus.BUSY }).ids).toEqual(['b']);
    expect(list({ agentId: 'a' }).ids).toEqual(['a']);
    expect(list({ country: 'fr' }).ids).toEqual(['c']);
    expect(list().ids).toEqual(['a', 'b', 'c']);
  });

  test.each([
    [SortBy.CONNECTION_TIME, ['b', 'a', 'c']],
    [SortBy.LAST_HEARTBEAT, ['c', 'b', 'a']],
    [SortBy.AGENT_ID, ['a', 'b', 'c']],
    [SortBy.STATUS, ['c', 'a', 'b']],
  ])('is sorted by %s, either way', (sortBy, ids) => {
    fleet.agents = [
      agentRecord('a', { connectedAt: 2, lastHeartbeat: 9, status: 'busy' }),
      agentRecord('b', { connectedAt: 1, lastHeartbeat: 8, status: 'draining' }),
      agentRecord('c', { connectedAt: 3, lastHeartbeat: 7 }),
    ];
    expect(list({ sortBy }).ids).toEqual(ids);
    expect(list({ sortBy, sortOrder: SortOrder.DESC }).ids).toEqual(ids.toReversed());
  });

  test('agents that come and go between two pages move no other across the border', () => {
    fleet.agents = ['b', 'd', 'f', 'h'].map((id) => agentRecord(id));
    const first = list({ pageSize: 2 });
    expect(first.ids).toEqual(['b', 'd']);
    fleet.agents = ['a', 'e', 'f', 'h'].map((id) => agentRecord(id));
    const second = list({ pageSize: 2, pageToken: first.nextPageToken });
    expect(second.ids).toEqual(['e', 'f']);
    const third = list({ pageSize: 2, pageToken: second.nextPageToken });
    expect(third).toEqual({ ids: ['h'], nextPageToken: '' });
  });

  test('two connections of one agent each have their place', () => {
    fleet.agents = ['c1', 'c2', 'c3'].map((connectionId) => agentRecord('a', { connectionId }));
    let pageToken = '';
    for (let pages = 0; pages < 3; pages++) {
      const page = list({ pageSize: 1, pageToken });
      expect(page.ids).toEqual(['a']);
      pageToken = page.nextPageToken;
    }
    expect(pageToken).toBe('');
  });

  test('a token of another list, a foreign one and a long one are refused', () => {
    fleet.agents = ['a', 'b'].map((id) => agentRecord(id));
    const { nextPageToken: pageToken } = list({ pageSize: 1 });
    expect(() => list({ pageSize: 1, pageToken, sortOrder: SortOrder.DESC })).toThrow('page_token: belongs');
    for (const token of ['x', Buffer.from('[]').toString('base64url'), 'A'.repeat(5_000)])
      expect(() => list({ pageToken: token })).toThrow('page_token: is not');
  });

  test('what this version does not know is refused', () => {
    expect(() => list({ status: 9 as AgentStatus })).toThrow('status: ');
    expect(() => list({ sortBy: 9 as SortBy })).toThrow('sort_by: ');
    expect(() => list({ sortOrder: -1 as SortOrder })).toThrow('sort_order: ');
    expect(() => list({ pageSize: 101 })).toThrow('page_size: ');
  });
});

describe('one agent', () => {
  test('is shown, drained and disconnected by the tenant that may use it', async () => {
    fleet.agents = [agentRecord('home/default')];
    const { agent } = service.getAgent(create(GetAgentRequestSchema, { agentId: 'home/default' }), context());
    expect(agent).toMatchObject({ agentId: 'home/default', connectedAt: { seconds: 1_700_000_000n, nanos: 0 } });
    const drain = create(DrainAgentRequestSchema, { agentId: 'home/default' });
    expect(await service.drainAgent(drain, context())).toMatchObject({ connections: 1 });
    const disconnect = create(DisconnectAgentRequestSchema, { agentId: 'home/default' });
    expect(await service.disconnectAgent(disconnect, context())).toMatchObject({ connections: 2 });
  });

  test('does not exist for another tenant, and is not touched by it', async () => {
    fleet.agents = [agentRecord('home/default')];
    const drain = create(DrainAgentRequestSchema, { agentId: 'home/default' });
    await expect(service.drainAgent(drain, context('other'))).rejects.toThrow('There is no such agent.');
    expect(fleet.drained).toEqual([]);
    expect(() => service.getAgent(create(GetAgentRequestSchema), context())).toThrow('agent_id: is missing');
  });
});
