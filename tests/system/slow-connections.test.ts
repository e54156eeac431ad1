// Two thousand connections on a port that are slow or silent: each is cut (the goal: within six seconds), and a hundred honest
// callers who work meanwhile notice nothing.
import { expect } from '@jest/globals';
import { Agent, request } from 'undici';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { preface, settings } from '../fuzz/http2-bytes.ts';
import { Cluster } from '../harness/cluster.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Origin } from '../harness/origin.ts';
import type { SlowHabit } from '../harness/slow-connection.ts';
import { honestCallers, SlowCrowd } from '../harness/slow-crowd.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const slowConnections = 2_000;
const moreThanMayWait = 2_500;
const callers = 100;
const cutGoalMs = 6_000;
const paceMs = 250;

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  const env = { AGENT_ALLOW_ENDPOINTS: origin.endpoint, AGENT_MAX_CONCURRENT: '1024' };
  await cluster.startAgent({ env });
  const key = await cluster.addKey({ name: 'mute' });
  return { origin, cluster, key };
});

const silent: SlowHabit = { name: 'silent', says: '' };
const http: SlowHabit[] = [
  silent,
  { name: 'half a head', says: 'GET /agents HTTP/1.1\r\nHost: ' },
  { name: 'a head byte by byte', says: 'GET /agents HTTP/1.1\r\nHost: a\r\n\r\n', bytewise: true },
  {
    name: 'a stranger whose body stands still',
    says: 'POST /jobs?sync=true HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{',
  },
];
const grpc: SlowHabit[] = [
  silent,
  { name: 'half a preface', says: preface.subarray(0, 10) },
  { name: 'a preface byte by byte', says: preface, bytewise: true },
  { name: 'HTTP/2 without a call', says: Buffer.concat([preface, settings()]) },
];
const upgrade = (key: string) =>
  [
    'GET /agent HTTP/1.1',
    'Host: a',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Protocol: resproxy.v1',
    `Authorization: Bearer ${key}`,
    '\r\n',
  ].join('\r\n');
const agent = (): SlowHabit[] => [
  silent,
  { name: 'half an upgrade', says: upgrade(lab().key).slice(0, 60) },
  { name: 'an upgrade byte by byte', says: upgrade(lab().key), bytewise: true },
  { name: 'an upgrade and no HELLO', says: upgrade(lab().key), showsKey: true },
];

const byRest = async () => {
  const { cluster, origin } = lab();
  expect((await cluster.rest.runJob({ url: origin.url('/bytes/7') })).status).toBe(200);
};
const byGrpc = async () => {
  const { cluster, origin } = lab();
  const { response } = await cluster.grpc.call(JobService.method.runJob, { request: { url: origin.url('/bytes/7') } });
  expect(response?.statusCode).toBe(200);
};

const ofDoors = [
  ['http', () => http, byRest],
  ['grpc', () => grpc, byGrpc],
  ['agent', agent, byGrpc],
] as const;

for (const [door, habits, job] of ofDoors) {
  story(`${slowConnections} slow connections on the ${door} port are cut, and honest callers work on`, async (use) => {
    const stop = honestCallers({ callers, paceMs, job });
    const crowd = use(new SlowCrowd({ port: lab().cluster.ports[door], size: slowConnections, habits: habits() }));
    await crowd.gather();
    await crowd.areCut(cutGoalMs);
    expect(crowd.shutOut).toEqual([]);
    expect(await stop()).toBeGreaterThan(0);
  });
}

const newcomers = {
  http: async () => {
    const { cluster, origin } = lab();
    const dispatcher = new Agent();
    const headers = { authorization: `Bearer ${cluster.token}`, 'content-type': 'application/json' };
    const body = JSON.stringify({ url: origin.url('/bytes/7') });
    const answer = await request(`${cluster.rest.baseUrl}/jobs?sync=true`, {
      method: 'POST',
      headers,
      body,
      dispatcher,
    });
    await answer.body.dump();
    await dispatcher.close();
    expect(answer.statusCode).toBe(200);
  },
  grpc: async () => {
    const { cluster, origin } = lab();
    const caller = new GrpcCaller(cluster.ports.grpc, cluster.token);
    try {
      const { response } = await caller.call(JobService.method.runJob, { request: { url: origin.url('/bytes/7') } });
      expect(response?.statusCode).toBe(200);
    } finally {
      await caller.close();
    }
  },
  agent: async () => {
    const { cluster } = lab();
    const name = `newcomer-${Math.random().toString(36).slice(2)}`;
    const agent = await cluster.startAgent({ name });
    await agent.kill();
  },
};

// With more of them than may wait, each newcomer was refused until a place happened to be free.
for (const [door, habits, job] of ofDoors) {
  story(`a crowd on the ${door} port that comes back whenever it is cut keeps nobody out`, async (use) => {
    const stop = honestCallers({ callers: 20, paceMs, job });
    const strangers = habits().filter(({ showsKey }) => showsKey !== true);
    const port = lab().cluster.ports[door];
    const crowd = use(new SlowCrowd({ port, size: moreThanMayWait, habits: strangers, comesBack: true }));
    await crowd.gather();
    const pushedOut = async () =>
      (await lab().cluster.metrics()).sum('resproxy_connections_cut_total', { door, reason: 'crowd' });
    await until('the crowd is more than may wait', async () => (await pushedOut()) > 0, 10_000);
    for (let i = 0; i < 5; i++) await newcomers[door]();
    expect(await stop()).toBeGreaterThan(0);
  });
}
