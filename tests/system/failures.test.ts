// How a job fails: the same code through every door, the truth about whether the origin may have seen it, and an end
// that reaches the origin.

import { status } from '@grpc/grpc-js';
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { RestCaller } from '../harness/rest-caller.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const lab = shared(async (use) => {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  // A port that nothing listens on: taken, and given back.
  const closed = await Origin.start();
  const closedPort = closed.port;
  await closed.close();
  const endpoints = `${origin.endpoint},127.0.0.1/32:${closedPort}`;
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: endpoints, AGENT_LABELS: 'country=DE,rack=7' } });
  return { origin, cluster, closedUrl: `http://127.0.0.1:${closedPort}/` };
});

const runJob = JobService.method.runJob;
const once = { maxAttempts: 1 };

story('a job that takes too long ends at its timeout, and the origin is let go', async () => {
  const { cluster, origin } = lab();
  const headers = [{ name: 'x-marker', value: 'timeout' }];
  const failure = await cluster.grpc.failure(runJob, {
    request: { url: origin.url('/hang'), headers },
    timeout: { seconds: 0n, nanos: 300_000_000 },
  });
  expect(failure).toMatchObject({ status: status.DEADLINE_EXCEEDED, info: { reason: 'DEADLINE_EXCEEDED' } });
  await until('the origin is let go', () => origin.hitsOf('timeout')[0]?.state === 'abandoned');
});

story('REST says of a timeout what it always says', async () => {
  const { cluster, origin } = lab();
  const answer = await cluster.rest.runJob({ url: origin.url('/hang'), timeoutMs: 300 });
  expect(answer.status).toBe(504);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.json).toMatchObject({
    message: 'Request timed out waiting for job completion.',
    jobId: expect.any(String),
    requestId: expect.any(String),
    agentErrorCode: 'DEADLINE_EXCEEDED',
    code: 'DEADLINE_EXCEEDED',
    status: 504,
  });
});

story('a caller that leaves takes its job down to the origin', async () => {
  const { cluster, origin } = lab();
  const leaving = new AbortController();
  const headers = [{ name: 'x-marker', value: 'leaves' }];
  const job = cluster.grpc.failure(runJob, { request: { url: origin.url('/hang'), headers } }, leaving);
  await origin.waitForHits('leaves');
  leaving.abort();
  expect((await job).status).toBe(status.CANCELLED);
  await until('the origin is let go', () => origin.hitsOf('leaves')[0]?.state === 'abandoned');
});

story('a REST caller that hangs up takes its job down to the origin', async () => {
  const { cluster, origin } = lab();
  const leaving = new AbortController();
  const job = fetch(`${cluster.rest.baseUrl}/jobs?sync=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${cluster.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ url: origin.url('/hang'), headers: { 'x-marker': 'hangs-up' } }),
    signal: leaving.signal,
  });
  await origin.waitForHits('hangs-up');
  leaving.abort();
  await expect(job).rejects.toThrow();
  await until('the origin is let go', () => origin.hitsOf('hangs-up')[0]?.state === 'abandoned');
});

story('a refused connection was never started', async () => {
  const { cluster, closedUrl } = lab();
  const answer = await cluster.rest.runJob({ url: closedUrl });
  expect(answer.status).toBe(502);
  expect(answer.json).toMatchObject({ code: 'CONNECT_REFUSED', origin: 'ORIGIN', execution: 'NOT_STARTED' });
  expect(answer.headers.get('proxy-status')).toContain('connection_refused');
});

story('an origin that hangs up before answering leaves a POST unknown and a GET terminated', async () => {
  const { cluster, origin } = lab();
  const failed = async (method: string) =>
    (await cluster.grpc.failure(runJob, { request: { url: origin.url('/cut'), method }, retry: once })).info;
  expect((await failed('GET'))?.reason).toBe('CONNECTION_TERMINATED');
  expect((await failed('POST'))?.reason).toBe('OUTCOME_UNKNOWN');
});

story('half an answer is no answer', async () => {
  const { cluster, origin } = lab();
  const failure = await cluster.grpc.failure(runJob, { request: { url: origin.url('/cut-body') }, retry: once });
  expect(failure.info?.reason).toBe('RESPONSE_INCOMPLETE');
});

story('a target that nobody matches is told which constraint ruled out how many', async () => {
  const { cluster, origin } = lab();
  const answer = await cluster.rest.runJob({ url: origin.url('/echo'), target: { country: 'FR' } });
  expect(answer.status).toBe(503);
  expect(answer.json).toMatchObject({ code: 'NO_EXIT_AVAILABLE', execution: 'NOT_STARTED', retryable: true });
  expect(String(answer.json.detail)).toContain('country=FR');
  const good = await cluster.rest.runJob({
    url: origin.url('/echo'),
    target: { country: 'DE', labels: { rack: '7' } },
  });
  expect(good.status).toBe(200);
});

story('a failure that may be tried again says when, another does not', async () => {
  const { cluster, origin } = lab();
  const nobody = await cluster.grpc.failure(runJob, { request: { url: origin.url('/') }, target: { country: 'FR' } });
  expect(nobody.retry?.retryDelay?.seconds).toBeGreaterThan(0n);
  const invalid = await cluster.grpc.failure(runJob, { request: { url: 'ftp://example.com/' } });
  expect(invalid.retry).toBeUndefined();
});

story('callers are let in by token and scope only', async () => {
  const { cluster, origin } = lab();
  const job = { url: origin.url('/echo') };
  const token = await cluster.addCaller('reader', 'acme', ['agents:read']);
  const reader = new RestCaller(cluster.ports.http, token);
  await until('the new caller is known', async () => (await reader.get('/agents')).status === 200);
  expect((await reader.runJob(job)).json).toMatchObject({ code: 'SCOPE_DENIED', status: 403 });
  for (const wrong of [undefined, 'nonsense', `${cluster.token}x`]) {
    const answer = await new RestCaller(cluster.ports.http, wrong).runJob(job);
    expect(answer.status).toBe(401);
    expect(answer.json).toMatchObject({ code: 'UNAUTHENTICATED' });
  }
  expect((await new RestCaller(cluster.ports.http, undefined).get('/health')).status).toBe(200);
});

story('a request id given by the caller comes back', async () => {
  const { cluster, origin } = lab();
  const body = JSON.stringify({ url: origin.url('/echo') });
  const answer = await cluster.rest.request('POST', '/jobs?sync=true', body, { 'x-request-id': 'mine-1' });
  expect(answer.headers.get('x-request-id')).toBe('mine-1');
  expect(answer.json.requestId).toBe('mine-1');
});
