// Two thousand connections on a port that are slow or silent: each is cut within six seconds, and a hundred honest
// callers who work meanwhile notice nothing.
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { preface, settings } from '../fuzz/http2-bytes.ts';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { SlowConnection, type SlowHabit } from '../harness/slow-connection.ts';
import { shared, story } from '../harness/story.ts';
import { within } from '../harness/waiting.ts';

const slowConnections = 2_000;
const honestCallers = 100;
const cutWithinMs = 6_000;
/** Each honest caller works at its own pace; together they leave the machine room to open connections. */
const paceMs = 250;
const openedAtOnce = 100;

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
  { name: 'an upgrade and no HELLO', says: upgrade(lab().key) },
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

for (const [door, habits, job] of [
  ['http', () => http, byRest],
  ['grpc', () => grpc, byGrpc],
  ['agent', agent, byGrpc],
] as const) {
  story(`${slowConnections} slow connections on the ${door} port are cut, and honest callers work on`, async (use) => {
    const port = lab().cluster.ports[door];
    const slow: SlowConnection[] = [];
    let working = true;
    const honest = Array.from({ length: honestCallers }, async () => {
      let jobs = 0;
      for (; working; jobs++) {
        await job();
        await pause(paceMs);
      }
      return jobs;
    });
    try {
      for (let i = 0; i < slowConnections; i++) {
        const habit = habits()[i % habits().length] ?? silent;
        slow.push(use(new SlowConnection(port, habit)));
        if (i % openedAtOnce === 0) await pause(10);
      }
      const ends = await within('every slow connection ends', 30_000, Promise.all(slow.map(({ ended }) => ended)));
      expect(slowest(slow, ends)).toEqual([]);
    } finally {
      working = false;
      await Promise.allSettled(honest);
    }
    // The first failure of an honest caller fails the story.
    expect(Math.min(...(await Promise.all(honest)))).toBeGreaterThan(2);
  });
}

/** What was let live too long, or not let in. */
function slowest(slow: readonly SlowConnection[], ends: readonly (number | undefined)[]): string[] {
  const faults = slow.flatMap(({ habit }, i) => {
    const ms = ends[i];
    if (ms === undefined) return [`${habit.name}: could not connect`];
    return ms > cutWithinMs ? [`${habit.name}: ${Math.round(ms / 100) / 10} s`] : [];
  });
  return [...new Set(faults)].slice(0, 10);
}
