// The fleet's records as the messages of AgentService.
import type { Timestamp } from '@bufbuild/protobuf/wkt';
import {
  type Agent,
  AgentStatus,
  type Exit,
  ExitKind,
  ExitState,
  type WatchAgentsResponse,
  WatchAgentsResponse_Change,
} from '../../../gen/resproxy/v1/agent_pb.ts';
import type {
  AgentChange,
  AgentRecord,
  ExitRecord,
  ExitKind as KindName,
  ExitState as StateName,
  AgentStatus as StatusName,
} from '../registry/agents.ts';

export const statusNumbers = {
  available: AgentStatus.AVAILABLE,
  busy: AgentStatus.BUSY,
  draining: AgentStatus.DRAINING,
} as const satisfies Record<StatusName, AgentStatus>;

export const kindNumbers = {
  direct: ExitKind.DIRECT,
  proxy: ExitKind.PROXY,
} as const satisfies Record<KindName, ExitKind>;

export const stateNumbers = {
  available: ExitState.AVAILABLE,
  paused: ExitState.PAUSED,
  cooling: ExitState.COOLING,
  quota: ExitState.QUOTA,
} as const satisfies Record<StateName, ExitState>;

const changeNumbers = {
  added: WatchAgentsResponse_Change.ADDED,
  updated: WatchAgentsResponse_Change.UPDATED,
  removed: WatchAgentsResponse_Change.REMOVED,
} as const;

export function toAgent(record: AgentRecord): Agent {
  return {
    $typeName: 'resproxy.v1.Agent',
    connectionId: record.connectionId,
    agentId: record.agentId,
    status: statusNumbers[record.status],
    connectedAt: toTimestamp(record.connectedAt),
    lastHeartbeat: toTimestamp(record.lastHeartbeat),
    podId: record.podId,
    version: record.version,
    exits: record.exits.map(toExit),
    metadata: { ...record.metadata },
  };
}

function toExit(record: ExitRecord): Exit {
  return {
    $typeName: 'resproxy.v1.Exit',
    exitId: record.exitId,
    kind: kindNumbers[record.kind],
    state: stateNumbers[record.state],
    capacity: record.capacity,
    inFlight: record.inFlight,
    country: record.country,
    region: record.region,
    city: record.city,
    asn: record.asn,
    labels: Object.fromEntries(record.labels),
  };
}

export function toWatchAgentsResponse(change: AgentChange): WatchAgentsResponse {
  const $typeName = 'resproxy.v1.WatchAgentsResponse';
  if (change.type === 'synced') return { $typeName, change: WatchAgentsResponse_Change.SYNCED };
  return { $typeName, change: changeNumbers[change.type], agent: toAgent(change.agent) };
}

function toTimestamp(unixMs: number): Timestamp {
  const seconds = Math.floor(unixMs / 1000);
  return {
    $typeName: 'google.protobuf.Timestamp',
    seconds: BigInt(seconds),
    nanos: Math.round(unixMs - seconds * 1000) * 1_000_000,
  };
}
