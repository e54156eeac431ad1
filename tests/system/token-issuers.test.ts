// Callers that show tokens of an issuer: a real HTTPS issuer that rotates its keys, is asked for none that anybody makes
// up, dies, and comes back; and a pod that never asks it for the sake of a job.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { connectClient, protocols } from '../harness/connect-caller.ts';
import { GrpcCaller } from '../harness/grpc-caller.ts';
import { Issuer } from '../harness/issuer.ts';
import { Origin } from '../harness/origin.ts';
import { Program } from '../harness/process.ts';
import { RestCaller } from '../harness/rest-caller.ts';
import { story, type Use } from '../harness/story.ts';
import { grpcurl } from '../harness/tools.ts';
import { until } from '../harness/waiting.ts';

/** Ten times the longest that a pod waits before it asks an issuer again. */
const foundBoundMs = 100_000;
const cooldownMs = 10_000;
const storyBoundMs = 120_000;

function corp(issuer: Issuer) {
  const grants = [
    { subject: 'robot', tenant: 'acme', scopes: ['jobs:run', 'jobs:read'] },
    { claims: { team: 'other' }, tenant: 'other', scopes: ['jobs:read'] },
  ];
  return { name: 'corp', type: 'jwks', issuer: issuer.url, caFile: issuer.caFile, grants };
}

async function lab(use: Use) {
  const issuer = use(await Issuer.start());
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start({ providers: [corp(issuer)] }));
  return { issuer, origin, cluster };
}

const by = ({ ports }: Cluster, token: string) => new RestCaller(ports.http, token);

/** What a call of that caller is told: its status, and the code of a failure. */
async function told(caller: RestCaller): Promise<string> {
  const { status, json } = await caller.get('/jobs');
  return `${status} ${(json.code as string | undefined) ?? 'OK'}`;
}

story('a token runs a job at every door, and its durable job belongs to its tenant', async (use) => {
  const { issuer, origin, cluster } = await lab(use);
  await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  const token = await issuer.token();
  const request = { url: origin.url('/bytes/3') };
  const grpc = use(new GrpcCaller(cluster.ports.grpc, token));
  expect((await grpc.call(JobService.method.runJob, { request })).response?.statusCode).toBe(200);
  for (const protocol of protocols) {
    const { runJob } = connectClient(JobService, { port: cluster.ports.http, token, protocol });
    expect((await runJob({ request })).response?.statusCode).toBe(200);
  }
  const robot = by(cluster, token);
  expect((await robot.runJob(request)).status).toBe(200);

  const { json } = await robot.request('POST', '/jobs', JSON.stringify(request));
  const path = `/jobs/${String(json.jobId)}`;
  expect((await robot.get(path)).status).toBe(200);
  expect((await cluster.rest.get(path)).status).toBe(200);
  const stranger = by(cluster, await issuer.token({ sub: 'x', team: 'other' }));
  expect((await stranger.get(path)).json.code).toBe('JOB_NOT_FOUND');
  expect((await stranger.runJob(request)).json.code).toBe('SCOPE_DENIED');
  // Reflection, by somebody whom the gRPC door sees for the first time.
  const fresh = await issuer.token({ jti: 'another' });
  const list = ['-plaintext', '-H', `Authorization: Bearer ${fresh}`, `127.0.0.1:${cluster.ports.grpc}`, 'list'];
  const listed = new Program({ name: 'grpcurl', command: grpcurl(), args: list });
  expect((await listed.exited).code).toBe(0);
  expect(listed.output).toContain('resproxy.v1.JobService');
  // Nobody asked the issuer for the sake of a job.
  expect(issuer.reads).toBe(1);
});

story('what is wrong with a token is said to whoever shows it, and to nobody else', async (use) => {
  const { issuer, cluster } = await lab(use);
  const now = Math.floor(Date.now() / 1000);
  const forged = use(await Issuer.start());
  const rows: [string, string, string][] = [
    [await issuer.token({ aud: 'vault' }), '401', 'audience has to be "resproxy"'],
    [await issuer.token({ exp: now - 60 }), '401', 'The token expired at '],
    [await issuer.token({ nbf: now + 600 }), '401', 'is not valid before '],
    [await issuer.token({ iss: 'https://elsewhere.example' }), '401', 'an issuer that is not trusted here'],
    [await forged.token({ iss: issuer.url }), '401', "not that of its issuer's key"],
    [await issuer.token({ sub: 'nobody' }), '403', '{"subject": "nobody", "tenant": ..., "scopes": [...]}'],
  ];
  for (const [token, status, sentence] of rows) {
    const { json, headers, status: seen } = await by(cluster, token).get('/jobs');
    expect({ status: String(seen), detail: json.detail }).toEqual({
      status,
      detail: expect.stringContaining(sentence),
    });
    expect(headers.get('www-authenticate')).toMatch(/^Bearer error="(invalid_token|insufficient_scope)"/);
  }
  const metrics = await cluster.metrics();
  for (const result of ['audience', 'expired', 'not_yet_valid', 'signature', 'ungranted'])
    expect(metrics.sum('resproxy_tokens_total', { provider: 'corp', result })).toBe(1);
  expect(metrics.sum('resproxy_token_keys_age_seconds', { provider: 'corp' })).toBeGreaterThanOrEqual(0);
  const log = cluster.orchestrator.output.join('\n');
  for (const [token] of rows) expect(log).not.toContain(token.split('.')[2]);
});

story(
  'keys are rotated: the new one works once it is used, the old one no longer once it is gone',
  async (use) => {
    const { issuer, cluster } = await lab(use);
    const old = by(cluster, await issuer.token());
    expect(await told(old)).toBe('200 OK');
    await issuer.makeKey('k2');
    await issuer.publish('k2');
    const next = by(cluster, await issuer.token({}, 'k2'));
    await until('the new key works', async () => (await told(next)) === '200 OK', foundBoundMs);
    // Although it was remembered as good.
    expect(await told(old)).toMatch(/^(401 UNAUTHENTICATED|429 RATE_LIMITED)$/);
  },
  storyBoundMs,
);

story('a storm of tokens of keys that nobody has makes the pod ask once in a while', async (use) => {
  const { issuer, cluster } = await lab(use);
  const good = by(cluster, await issuer.token());
  expect(await told(good)).toBe('200 OK');
  await issuer.makeKey('made-up');
  const readsBefore = issuer.reads;
  const begin = performance.now();
  for (let round = 0; round < 30; round++) {
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, i) => issuer.token({ jti: `${round}-${i}` }, 'made-up')),
    );
    const answers = await Promise.all(tokens.map((token) => told(by(cluster, token))));
    for (const answer of answers) expect(answer).toMatch(/^(401 UNAUTHENTICATED|429 RATE_LIMITED)$/);
    expect(await told(good)).toBe('200 OK');
  }
  const mostReads = Math.ceil((performance.now() - begin) / cooldownMs) + 1;
  expect(issuer.reads - readsBefore).toBeLessThanOrEqual(mostReads);
});

story(
  'while the issuer is away its keys are good for old and new tokens; what cannot be known is not called bad',
  async (use) => {
    const { issuer, cluster } = await lab(use);
    const old = by(cluster, await issuer.token());
    expect(await told(old)).toBe('200 OK');
    await issuer.kill();
    await issuer.makeKey('k2');
    const next = by(cluster, await issuer.token({ jti: 'another' }));
    const unknown = by(cluster, await issuer.token({}, 'k2'));
    await until(
      'the pod has asked again',
      async () => (await told(unknown)) === '503 ISSUER_UNAVAILABLE',
      foundBoundMs,
    );
    expect(await told(old)).toBe('200 OK');
    expect(await told(next)).toBe('200 OK');
    expect((await cluster.metrics()).sum('resproxy_token_key_reads_total', { outcome: 'failed' })).toBeGreaterThan(0);
    // Another grant takes no key away.
    await cluster.provide([{ ...corp(issuer), grants: [{ subject: '*', tenant: 'acme', scopes: ['jobs:read'] }] }]);
    const newcomer = by(cluster, await issuer.token({ sub: 'newcomer' }));
    await until('a new grant is in force', async () => (await told(newcomer)) === '200 OK');
    await issuer.publish('k1', 'k2');
    await issuer.startAgain();
    await until('the new key works', async () => (await told(unknown)) === '200 OK', foundBoundMs);
  },
  storyBoundMs,
);

story(
  'a pod whose issuer is away serves all the same, and takes its tokens once it is there',
  async (use) => {
    const issuer = use(await Issuer.start());
    const robot = await issuer.token();
    await issuer.kill();
    const cluster = use(await Cluster.start({ providers: [corp(issuer)] }));
    expect(await cluster.probe('/readyz')).toBe(200);
    expect((await cluster.rest.get('/jobs')).status).toBe(200);
    const { status, json } = await by(cluster, robot).get('/jobs');
    expect({ status, code: json.code, retryable: json.retryable }).toEqual({
      status: 503,
      code: 'ISSUER_UNAVAILABLE',
      retryable: true,
    });
    expect(json.detail).toContain('provider "corp"');
    expect((await cluster.metrics()).sum('resproxy_token_keys_age_seconds', { provider: 'corp' })).toBe(-1);
    await issuer.startAgain();
    await until('its tokens are taken', async () => (await told(by(cluster, robot))) === '200 OK', foundBoundMs);
  },
  storyBoundMs,
);

story('an issuer that leaves the callers file vouches for nobody any more', async (use) => {
  const { issuer, cluster } = await lab(use);
  const robot = by(cluster, await issuer.token());
  expect(await told(robot)).toBe('200 OK');
  await cluster.provide([]);
  await until('its tokens are refused', async () => (await told(robot)) === '401 UNAUTHENTICATED');
  await cluster.provide([corp(issuer)]);
  await until('its tokens are taken again', async () => (await told(robot)) === '200 OK');
});
