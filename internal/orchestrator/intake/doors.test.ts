import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AttemptRecord, JobFailure } from '../failure/failures.ts';
import { type Code, failureTable } from '../failure/table.ts';
import { type Doors, GrpcCaller, openDoors, token } from './fixture.ts';

// Every failure, through both doors at once: what a program reads from one must be what it reads from the other.

let doors: Doors;
let grpc: GrpcCaller;
const url = 'http://example.com/';
const attempts: AttemptRecord[] = [{ exitId: 'a/b/c', code: 'AGENT_LOST', execution: 'POSSIBLE', durationMs: 3 }];

beforeAll(async () => {
  doors = await openDoors();
  grpc = new GrpcCaller(doors.grpcPort);
});

afterAll(async () => {
  grpc.close();
  await doors.close();
});

async function runByRest(body: object): Promise<{ response: Response; json: Record<string, unknown> }> {
  const response = await fetch(`${doors.restUrl}/jobs?sync=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { response, json: (await response.json()) as Record<string, unknown> };
}

describe('a failure is told alike by both doors', () => {
  test.each(Object.keys(failureTable) as Code[])('%s', async (code) => {
    const failure = new JobFailure(code, { execution: 'POSSIBLE', jobId: 'job-x', attempts, refusal: 'PORT' });
    doors.runner.onRun = () => Promise.reject(failure);
    const { info, retry, ...status } = await grpc.failure({ request: { url } });
    const { response, json } = await runByRest({ url });

    const row = failureTable[code];
    expect(status).toEqual({ code: row.grpc, message: row.title });
    expect(response.status).toBe(row.http);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('proxy-status')).toContain(`error=${row.proxyError};`);
    expect(info).toMatchObject({ reason: json.code, domain: 'resproxy.dev' });
    expect(info?.metadata).toEqual({
      origin: json.origin,
      execution: json.execution,
      retryable: String(json.retryable),
      jobId: json.jobId,
      subReason: json.subReason,
    });
    expect(json).toMatchObject({ agentErrorCode: code, status: row.http, title: row.title, detail: row.title });
    expect(json.attempts).toEqual(attempts);
    const retryAfter = response.headers.get('retry-after');
    expect(retry?.retryDelay?.seconds.toString()).toBe(retryAfter ?? undefined);
    expect(json.retryable).toBe(retryAfter !== null);
  });
});

test('a fault of ours is told without particulars', async () => {
  doors.runner.onRun = () => Promise.reject(new TypeError('secret particulars'));
  const failure = await grpc.failure({ request: { url } });
  expect(failure.info?.reason).toBe('INTERNAL');
  const { json } = await runByRest({ url });
  expect(json.code).toBe('INTERNAL');
  expect(
    JSON.stringify([failure, json], (_, value) => (typeof value === 'bigint' ? String(value) : value)),
  ).not.toContain('secret');
});

test('a field at fault is named as the caller of each door wrote it', async () => {
  const wrong = {
    url,
    headers: [
      ['x', 'y'],
      ['connection', 'close'],
    ],
  };
  const headers = wrong.headers.map(([name = '', value = '']) => ({ name, value }));
  const failure = await grpc.failure({ request: { url, headers } });
  expect(failure.info?.metadata.field).toBe('request.headers[1]');
  const { json } = await runByRest(wrong);
  expect(json).toMatchObject({ field: 'headers[1]', code: 'INVALID_REQUEST', status: 400 });
  expect(json.detail).toMatch(/^headers\[1\]: /);
});

test('the same job by both doors is the same job', async () => {
  doors.runner.jobs.length = 0;
  doors.runner.onRun = () => Promise.reject(new JobFailure('NO_EXIT_AVAILABLE'));
  await grpc.failure({
    request: { url, method: 'POST', headers: [{ name: 'A', value: 'é' }], body: Buffer.from('ü') },
    target: { country: 'de', labels: { rack: '7' } },
    timeout: { seconds: 1n, nanos: 500_000_000 },
  });
  await runByRest({
    url,
    method: 'POST',
    headers: { A: 'é' },
    body: 'ü',
    target: { country: 'de', labels: { rack: '7' } },
    timeoutMs: 1500,
  });
  const [first, second] = doors.runner.jobs.map(
    ({ request, target, idempotent, tenant, retry, deadlineAt, receivedAt }) => ({
      url: request.url,
      method: request.method,
      headers: request.headers.map(({ name, value }) => [name, value]),
      body: Buffer.from(request.body).toString('hex'),
      target,
      idempotent,
      tenant,
      retry,
      timeoutMs: Math.round(deadlineAt - receivedAt),
    }),
  );
  expect(first).toMatchObject({ method: 'POST', idempotent: false, tenant: 'acme', timeoutMs: 1500 });
  expect(first?.target).toMatchObject({ country: 'DE', labels: new Map([['rack', '7']]) });
  expect(second).toEqual(first);
});
