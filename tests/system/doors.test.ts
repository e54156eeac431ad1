// The five protocols of callers against real processes: one job, its failures, and the streams that each can carry.
import { gzipSync } from 'node:zlib';
import { expect } from '@jest/globals';
import { AgentService, WatchAgentsResponse_Change } from '../../gen/resproxy/v1/agent_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { connectClient, connectFailure, type Protocol, protocols } from '../harness/connect-caller.ts';
import { Origin } from '../harness/origin.ts';
import { pattern } from '../harness/origin-routes.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const page = 'https://app.example.org';

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start({ env: { RESPROXY_CORS_ORIGINS: page } }));
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  return { origin, cluster };
});

function caller(protocol: Protocol) {
  const { ports, token } = lab().cluster;
  return connectClient(JobService, { port: ports.http, token, protocol });
}

story('every door tells the same of the same failure', async () => {
  const { cluster, origin } = lab();
  const asked = [
    { request: { url: 'ftp://example.com/' } },
    { request: { url: origin.url('/echo') }, target: { country: 'FR' } },
    { request: { url: origin.url('/cut'), method: 'POST' }, retry: { maxAttempts: 1 } },
    { request: { url: origin.url('/cut') }, retry: { maxAttempts: 1 } },
    { request: { url: origin.url('/hang') }, timeout: { seconds: 0n, nanos: 200_000_000 } },
    { request: { url: 'http://192.0.2.1:8080/' } },
  ];
  const codes = [];
  for (const job of asked) {
    const { status, info } = await cluster.grpc.failure(JobService.method.runJob, job);
    const { origin: whose, execution, retryable } = info?.metadata ?? {};
    codes.push(info?.reason);
    for (const protocol of protocols) {
      const failure = await connectFailure(caller(protocol).runJob(job));
      expect({ protocol, code: failure.code, reason: failure.info?.reason }).toEqual({
        protocol,
        code: status,
        reason: info?.reason,
      });
      expect(failure.info?.metadata).toMatchObject({ origin: whose, execution, retryable });
    }
  }
  expect(new Set(codes).size).toBe(asked.length);
});

story('StreamJob brings a body piece by piece, the same by each protocol', async () => {
  const { origin } = lab();
  for (const protocol of protocols) {
    const pieces: Uint8Array[] = [];
    let summary: bigint | undefined;
    for await (const { event } of caller(protocol).streamJob({ request: { url: origin.url('/bytes/1000000') } })) {
      if (event.case === 'body') pieces.push(event.value);
      if (event.case === 'summary') summary = event.value.bodyBytes;
    }
    expect(Buffer.concat(pieces).equals(pattern(1_000_000))).toBe(true);
    expect(summary).toBe(1_000_000n);
  }
});

story('a caller that leaves its stream takes the job down to the origin', async () => {
  const { origin } = lab();
  for (const [i, protocol] of protocols.entries()) {
    const leaving = new AbortController();
    const request = { url: origin.url('/hang'), headers: [{ name: 'x-marker', value: `leaves-${i}` }] };
    const reading = async () => {
      for await (const _ of caller(protocol).streamJob({ request }, { signal: leaving.signal }));
    };
    const failed = connectFailure(reading());
    await origin.waitForHits(`leaves-${i}`);
    leaving.abort();
    await failed;
    await until('the origin is let go', () => origin.hitsOf(`leaves-${i}`)[0]?.state === 'abandoned');
  }
});

story('WatchAgents tells of the fleet by each protocol', async () => {
  const { ports, token } = lab().cluster;
  for (const protocol of protocols) {
    const leaving = new AbortController();
    const seen: unknown[] = [];
    const { watchAgents } = connectClient(AgentService, { port: ports.http, token, protocol });
    const watching = async () => {
      for await (const { change, agent } of watchAgents({}, { signal: leaving.signal })) {
        seen.push([change, agent?.agentId]);
        if (change === WatchAgentsResponse_Change.SYNCED) leaving.abort();
      }
    };
    await connectFailure(watching());
    expect(seen).toEqual([
      [WatchAgentsResponse_Change.ADDED, 'home-1/default'],
      [WatchAgentsResponse_Change.SYNCED, undefined],
    ]);
  }
});

story('a plain POST of JSON is a call, and what unpacks beyond the bound is refused', async () => {
  const { cluster, origin } = lab();
  const post = async (body: Buffer, headers: Record<string, string> = {}) => {
    const { status, json } = await cluster.rest.request('POST', '/resproxy.v1.JobService/RunJob', body, headers);
    return { status, json };
  };
  const job = Buffer.from(JSON.stringify({ request: { url: origin.url('/bytes/3') } }));
  const body = Buffer.from(pattern(3)).toString('base64');
  expect(await post(job)).toMatchObject({ status: 200, json: { response: { statusCode: 200, body } } });
  const bomb = await post(gzipSync(Buffer.alloc(25 * 1024 * 1024)), { 'content-encoding': 'gzip' });
  expect(bomb).toMatchObject({
    status: 400,
    json: { code: 'invalid_argument', details: [{ debug: { reason: 'REQUEST_TOO_LARGE' } }] },
  });
});

story('a page whose origin is named may call from a browser, another may not', async () => {
  const { cluster } = lab();
  const ask = async (origin: string) => {
    const headers = { origin, 'access-control-request-method': 'POST' };
    const answer = await cluster.rest.request('OPTIONS', '/resproxy.v1.JobService/RunJob', undefined, headers);
    return [answer.status, answer.headers.get('access-control-allow-origin')];
  };
  expect(await ask(page)).toEqual([204, page]);
  expect(await ask('https://evil.example.org')).toEqual([405, null]);
});
