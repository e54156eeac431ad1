import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { create } from '@bufbuild/protobuf';
import { credentials, type ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AgentService } from '../../../gen/resproxy/v1/agent_pb.ts';
import { JobService } from '../../../gen/resproxy/v1/job_pb.ts';
import { systemClock } from '../../kit/clock.ts';
import { settle } from '../../kit/manual-clock.ts';
import type { Code } from '../failure/table.ts';
import { failureTable } from '../failure/table.ts';
import type { Verdict } from '../issuers/issuers.ts';
import { parseCallers } from './auth/callers-file.ts';
import { TokenCallers } from './auth/token-callers.ts';
import { connectClient, connectFailure, protocols } from './connect/connect-fixture.ts';
import { answer, type Doors, GrpcCaller, openDoors, toFailure } from './fixture.ts';
import { definitionOf } from './grpc/definition.ts';

// Tokens of issuers at every door: what is made of one must be the same at each, although looking at it takes time.

const url = 'http://example.com/';
const jwt = 'eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl';
const granted = { subject: 'robot', tenant: 'ads', scopes: ['jobs:run', 'jobs:read', 'agents:read'] };
const provider = { name: 'corp', type: 'jwks', issuer: 'https://issuer.example', grants: [granted] };

let doors: Doors;
let grpc: GrpcCaller;
let verdict: Verdict | Promise<Verdict>;
let asked: string[];
let tokens: TokenCallers;

beforeEach(async () => {
  asked = [];
  const verify = async (_token: string, door: string) => {
    asked.push(door);
    return verdict;
  };
  tokens = new TokenCallers({ verify, clock: systemClock, observer: { looked: () => {}, ungranted: () => {} } });
  tokens.replace(parseCallers(JSON.stringify({ providers: [provider] }), 'callers.json').providers);
  doors = await openDoors({ tokens });
  doors.runner.onRun = async () => answer;
  grpc = new GrpcCaller(doors.grpcPort, credentials.createInsecure(), `Bearer ${jwt}`);
});

afterEach(async () => {
  grpc.close();
  await doors.close();
});

function good(subject: string, forMs = 60_000): Verdict {
  return { kind: 'good', provider: 'corp', subject, claims: {}, goodUntilMs: Date.now() + forMs };
}

function client(protocol: (typeof protocols)[number]) {
  return connectClient(JobService, doors.httpUrl, protocol, { authorization: `Bearer ${jwt}` });
}

async function rest(path: string, body?: object) {
  const response = await fetch(`${doors.httpUrl}${path}`, {
    headers: { authorization: `Bearer ${jwt}`, 'content-type': 'application/json' },
    ...(body && { method: 'POST', body: JSON.stringify(body) }),
  });
  return { response, json: (await response.json()) as Record<string, unknown> };
}

test('a good token is looked at once, and then runs jobs at every door', async () => {
  verdict = good('robot');
  for (const protocol of protocols) await client(protocol).runJob({ request: { url } });
  await grpc.runJob({ request: { url } });
  expect((await rest('/jobs?sync=true', { url })).response.status).toBe(200);
  expect(doors.runner.jobs.map(({ tenant }) => tenant)).toEqual(Array(6).fill('ads'));
  expect(asked).toEqual(['connect']);
  expect(doors.admission.inFlight).toBe(0);
});

describe('a token that is no good is told alike by every door', () => {
  test.each<[string, () => Verdict, Code, string]>([
    [
      'expired',
      () => ({ kind: 'refused', provider: 'corp', why: 'expired', detail: 'It expired.' }),
      'UNAUTHENTICATED',
      'invalid_token',
    ],
    ['of no grant', () => good('nobody'), 'SCOPE_DENIED', 'insufficient_scope'],
    [
      'of an issuer that is away',
      () => ({ kind: 'unavailable', provider: 'corp', detail: 'Away.' }),
      'ISSUER_UNAVAILABLE',
      '',
    ],
  ])('%s', async (_name, make, code, challenge) => {
    verdict = make();
    const row = failureTable[code];
    const { response, json } = await rest('/jobs?sync=true', { url });
    expect({ status: response.status, code: json.code }).toEqual({ status: row.http, code });
    const header = response.headers.get('www-authenticate');
    expect(header ?? '').toMatch(challenge === '' ? /^$/ : `Bearer error="${challenge}", error_description="`);
    const failures = await Promise.all([
      grpc.failure({ request: { url } }),
      ...protocols.map((protocol) => connectFailure(client(protocol).runJob({ request: { url } }))),
    ]);
    for (const { code: status, message, info } of failures)
      expect({ status, message, reason: info?.reason }).toEqual({
        status: row.grpc,
        message: json.detail,
        reason: code,
      });
    expect(JSON.stringify(json)).not.toContain(jwt);
    expect(doors.runner.jobs).toEqual([]);
    expect(doors.told.refusedJobs).toEqual(expect.arrayContaining([`rest ${code}`, `grpc ${code}`, `connect ${code}`]));
  });
});

test('who sends no token is told of no error in it', async () => {
  const response = await fetch(`${doors.httpUrl}/agents`);
  expect([response.status, response.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  const other = await fetch(`${doors.httpUrl}/agents`, { headers: { authorization: 'Bearer something' } });
  expect(other.headers.get('www-authenticate')).toContain('error="invalid_token"');
  const connect = await fetch(`${doors.httpUrl}/resproxy.v1.JobService/RunJob`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  expect([connect.status, connect.headers.get('www-authenticate')]).toEqual([401, 'Bearer']);
  expect(asked).toEqual([]);
});

test('a caller that goes away while its token is looked at leaves nothing behind, at any door', async () => {
  const looked = Promise.withResolvers<Verdict>();
  verdict = looked.promise;
  const ask = tokens.ask.bind(tokens);
  let waiting = 0;
  tokens.ask = (...args) => {
    waiting++;
    return ask(...args);
  };
  const leaving = new AbortController();
  const calls: Promise<unknown>[] = protocols.map((protocol) =>
    connectFailure(client(protocol).runJob({ request: { url } }, { signal: leaving.signal })),
  );
  const restCall = httpRequest(`${doors.httpUrl}/jobs?sync=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${jwt}`, 'content-type': 'application/json' },
  });
  restCall.on('error', () => {}).end(JSON.stringify({ url }));
  const other = new GrpcCaller(doors.grpcPort, credentials.createInsecure(), `Bearer ${jwt}`);
  const stream = other.streamJob({ request: { url } });
  stream.on('error', () => {});
  while (waiting < protocols.length + 2) await settle();
  leaving.abort();
  restCall.destroy();
  stream.cancel();
  other.close();
  await Promise.all(calls);
  while (doors.http.doorway.strangers + doors.grpc.doorway.strangers > 0) await settle();
  looked.resolve(good('robot'));
  await grpc.runJob({ request: { url } });
  expect(doors.runner.jobs).toHaveLength(1);
  expect(doors.admission.inFlight).toBe(0);
});

test('a watch ends when its token does, at every door; a job that was let in runs on', async () => {
  const forMs = 300;
  verdict = good('robot', forMs);
  const finish = Promise.withResolvers<void>();
  doors.runner.onRun = async () => {
    await finish.promise;
    return answer;
  };
  const job = rest('/jobs?sync=true', { url });
  const watching = protocols.map(async (protocol) => {
    const { watchAgents } = connectClient(AgentService, doors.httpUrl, protocol, { authorization: `Bearer ${jwt}` });
    for await (const _ of watchAgents({}));
  });
  const { path, requestSerialize, responseDeserialize } = definitionOf(AgentService.method.watchAgents);
  const asked = create(AgentService.method.watchAgents.input);
  const native = grpc.client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, asked, grpc.metadata);
  const ended = once(native.resume(), 'error') as Promise<[ServiceError]>;
  const events = fetch(`${doors.httpUrl}/jobs/events?label=a=b`, { headers: { authorization: `Bearer ${jwt}` } });
  for (const watch of watching) expect((await connectFailure(watch)).info?.reason).toBe('UNAUTHENTICATED');
  expect(toFailure((await ended)[0])).toMatchObject({ code: 16, info: { reason: 'UNAUTHENTICATED' } });
  const told = await (await events).text();
  expect(told).toContain('event: failure');
  expect(told).toContain('"code":"UNAUTHENTICATED"');
  finish.resolve();
  expect((await job).response.status).toBe(200);
  expect(doors.admission.inFlight).toBe(0);
});
