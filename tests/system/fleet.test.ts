// The fleet as callers and platform engineers see it: lists, watches, what may be done to an agent, metrics, health.
import { execFileSync } from 'node:child_process';
import { Client, credentials, status } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import {
  AgentService,
  AgentStatus,
  type WatchAgentsResponse,
  WatchAgentsResponse_Change,
} from '../../gen/resproxy/v1/agent_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { connectClient } from '../harness/connect-caller.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Origin } from '../harness/origin.ts';
import { RestCaller } from '../harness/rest-caller.ts';
import { shared, story } from '../harness/story.ts';
import { grpcurl } from '../harness/tools.ts';
import { until } from '../harness/waiting.ts';

const { listAgents, getAgent, watchAgents, disconnectAgent } = AgentService.method;

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  const env = { AGENT_ALLOW_ENDPOINTS: origin.endpoint };
  await cluster.startAgent({ name: 'berlin', env: { ...env, AGENT_LABELS: 'country=DE,region=BE' } });
  await cluster.startAgent({ name: 'paris', env: { ...env, AGENT_LABELS: 'country=FR' } });
  await cluster.addKey({ name: 'private', tenants: ['acme'] });
  await cluster.startAgent({ keyName: 'private', env });
  return { origin, cluster, env };
});

interface AgentJson {
  readonly agentId: string;
  readonly status: string;
  readonly exits: readonly { readonly country: string }[];
}

const changeNames = new Map<number, string>(
  Object.entries(WatchAgentsResponse_Change).map(([name, number]) => [number, name]),
);
const everyone = ['home-1/berlin', 'home-1/paris', 'private/default'];

story('gRPC and REST list the same agents, in the order that is asked for, a page at a time', async () => {
  const { cluster } = lab();
  const { agents } = await cluster.grpc.call(listAgents, {});
  expect(agents.map(({ agentId }) => agentId)).toEqual(everyone);
  expect(agents.every(({ status: state }) => state === AgentStatus.AVAILABLE)).toBe(true);
  const first = (await cluster.rest.get('/agents?sortBy=agentId&sortOrder=desc&limit=2')).json;
  expect((first.agents as AgentJson[]).map(({ agentId }) => agentId)).toEqual(['private/default', 'home-1/paris']);
  const token = encodeURIComponent(String(first.nextToken));
  const second = (await cluster.rest.get(`/agents?sortBy=agentId&sortOrder=desc&limit=2&nextToken=${token}`)).json;
  expect((second.agents as AgentJson[]).map(({ agentId }) => agentId)).toEqual(['home-1/berlin']);
  expect(second).not.toHaveProperty('nextToken');
});

story('labels place an agent, and a list or a job can ask for the place', async () => {
  const { cluster, origin } = lab();
  const { agents } = (await cluster.rest.get('/agents?country=FR')).json as { agents: AgentJson[] };
  expect(agents.map(({ agentId }) => agentId)).toEqual(['home-1/paris']);
  const request = { url: origin.url('/echo') };
  const { exit } = await cluster.grpc.call(JobService.method.runJob, {
    request,
    target: { country: 'DE', region: 'BE' },
  });
  expect(exit).toMatchObject({ agentId: 'home-1/berlin', country: 'DE', region: 'BE' });
});

story('a tenant sees and uses only what its keys allow', async (use) => {
  const { cluster, origin } = lab();
  const token = await cluster.addCaller('stranger', 'other', ['jobs:run', 'agents:read', 'agents:admin']);
  const stranger = use(new GrpcCaller(cluster.ports.grpc, token));
  await until('the new caller is known', async () => {
    const { status: code } = await new RestCaller(cluster.ports.http, token).get('/agents');
    return code === 200;
  });
  const { agents } = await stranger.call(listAgents, {});
  expect(agents.map(({ agentId }) => agentId)).toEqual(['home-1/berlin', 'home-1/paris']);
  const hidden = { agentId: 'private/default' };
  expect((await stranger.failure(getAgent, hidden)).status).toBe(status.NOT_FOUND);
  expect((await stranger.failure(disconnectAgent, hidden)).status).toBe(status.NOT_FOUND);
  const target = { exitId: 'private/default/direct' };
  const failure = await stranger.failure(JobService.method.runJob, { request: { url: origin.url('/echo') }, target });
  expect(failure.status).toBe(status.NOT_FOUND);
});

story('a watch shows who is there, then each change as it comes', async (use) => {
  const { cluster, env } = lab();
  const stream = cluster.grpc.stream(watchAgents, {});
  use({ close: async () => stream.cancel() });
  const seen: string[] = [];
  stream.on('data', ({ change, agent }: WatchAgentsResponse) =>
    seen.push(`${changeNames.get(change)} ${agent?.agentId ?? ''}`),
  );
  await until('the watch is in step', () => seen.includes('SYNCED '));
  expect(seen.toSorted()).toEqual(['SYNCED ', ...everyone.map((id) => `ADDED ${id}`)].toSorted());
  const guest = await cluster.startAgent({ name: 'guest', env });
  await until('the guest is shown', () => seen.includes('ADDED home-1/guest'));
  await guest.stop();
  await until('the guest leaves', () => seen.includes('REMOVED home-1/guest'));
});

story('a disconnected agent comes back by itself', async () => {
  const { cluster } = lab();
  const { agent: before } = await cluster.grpc.call(getAgent, { agentId: 'home-1/paris' });
  const { connections } = await cluster.grpc.call(disconnectAgent, { agentId: 'home-1/paris' });
  expect(connections).toBe(1);
  await until('it is back on another connection', async () => {
    const agents = await cluster.agents();
    const now = agents.find(({ agentId }) => agentId === 'home-1/paris');
    return now !== undefined && now.connectionId !== before?.connectionId;
  });
});

story('metrics count jobs by door and code, and carry the promised names', async () => {
  const { cluster, origin } = lab();
  const url = origin.url('/bytes/10');
  const byEachDoor = async () => {
    await cluster.grpc.call(JobService.method.runJob, { request: { url } });
    await cluster.rest.runJob({ url });
    for (const protocol of ['Connect JSON', 'gRPC-Web'] as const) {
      const client = connectClient(JobService, { port: cluster.ports.http, token: cluster.token, protocol });
      await client.runJob({ request: { url } });
    }
  };
  await byEachDoor();
  const before = await cluster.metrics();
  await byEachDoor();
  const after = await cluster.metrics();
  for (const door of ['grpc', 'rest', 'connect', 'grpc-web']) {
    const labels = { door, code: 'OK' };
    const jobs = after.sum('resproxy_jobs_total', labels) - before.sum('resproxy_jobs_total', labels);
    expect({ door, jobs }).toEqual({ door, jobs: 1 });
  }
  for (const door of ['http', 'grpc', 'agent'])
    expect(after.sum('resproxy_connections', { door, state: 'known' })).toBeGreaterThan(0);
  expect(after.sum('resproxy_agents', { state: 'available' })).toBe(everyone.length);
  for (const name of [
    'resproxy_job_duration_seconds_count',
    'resproxy_attempts_total',
    'resproxy_jobs_in_flight',
    'resproxy_exits',
    'resproxy_bytes_total',
    'resproxy_connections_cut_total',
    'resproxy_heartbeat_rtt_seconds_count',
    'resproxy_event_loop_lag_seconds_count',
  ]) {
    expect({ name, there: after.has(name) }).toEqual({ name, there: true });
  }
});

story('health is open on both doors, and reflection lists every service to whoever may call one', async () => {
  const { cluster } = lab();
  expect((await new RestCaller(cluster.ports.http, undefined).get('/health')).json).toMatchObject({
    status: 'healthy',
  });
  const address = `127.0.0.1:${cluster.ports.grpc}`;
  // Field 1 is the status, 1 is SERVING.
  expect([...(await rawCall(address, '/grpc.health.v1.Health/Check'))]).toEqual([0x08, 1]);
  const list = (...args: string[]) =>
    execFileSync(grpcurl(), [
      '-plaintext',
      '-H',
      `authorization: Bearer ${cluster.token}`,
      address,
      ...args,
    ]).toString();
  expect(list('list').trim().split('\n')).toEqual(
    expect.arrayContaining(['grpc.health.v1.Health', 'resproxy.v1.AgentService', 'resproxy.v1.JobService']),
  );
  expect(list('describe', 'resproxy.v1.RunJobRequest')).toContain('timeout');
  expect(list('grpc.health.v1.Health/Check')).toContain('SERVING');
});

/** An empty message there, the answer's bytes back, without a token. */
function rawCall(address: string, path: string): Promise<Buffer> {
  const client = new Client(address, credentials.createInsecure());
  const asIs = (bytes: Buffer) => bytes;
  return new Promise<Buffer>((resolve, reject) => {
    client.makeUnaryRequest(path, asIs, asIs, Buffer.alloc(0), (error, answer) =>
      error ? reject(error) : resolve(answer ?? Buffer.alloc(0)),
    );
  }).finally(() => client.close());
}
