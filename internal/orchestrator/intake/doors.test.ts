import type { MessageInitShape } from '@bufbuild/protobuf';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { JobService, type RunJobRequestSchema, type RunJobResponse } from '../../../gen/resproxy/v1/job_pb.ts';
import { type AttemptRecord, JobFailure } from '../failure/failures.ts';
import { type Code, codeName, failureTable } from '../failure/table.ts';
import { connectClient, connectFailure, protocols } from './connect/connect-fixture.ts';
import { answer, type Doors, GrpcCaller, type GrpcFailure, openDoors, token } from './fixture.ts';

// Every failure, and one job, through every door at once: what a program reads from one must be what it reads from the
// others.

type Asked = MessageInitShape<typeof RunJobRequestSchema>;

/** A door of protobuf. */
interface Caller {
  readonly name: string;
  run(request: Asked): Promise<RunJobResponse>;
  failure(request: Asked): Promise<GrpcFailure>;
}

let doors: Doors;
let grpc: GrpcCaller;
let callers: Caller[];
const url = 'http://example.com/';
const attempts: AttemptRecord[] = [{ exitId: 'a/b/c', code: 'AGENT_LOST', execution: 'POSSIBLE', durationMs: 3 }];

beforeAll(async () => {
  doors = await openDoors();
  grpc = new GrpcCaller(doors.grpcPort);
  const native = {
    name: 'gRPC',
    run: (asked: Asked) => grpc.runJob(asked),
    failure: (asked: Asked) => grpc.failure(asked),
  };
  callers = [native, ...protocols.map(connectCaller)];
});

afterAll(async () => {
  grpc.close();
  await doors.close();
});

function connectCaller(protocol: (typeof protocols)[number]): Caller {
  const { runJob } = connectClient(JobService, doors.httpUrl, protocol);
  return { name: protocol, run: (asked) => runJob(asked), failure: (asked) => connectFailure(runJob(asked)) };
}

async function runByRest(body: object): Promise<{ response: Response; json: Record<string, unknown> }> {
  const response = await fetch(`${doors.httpUrl}/jobs?sync=true`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { response, json: (await response.json()) as Record<string, unknown> };
}

test('one answer is the same through every door: status, headers in their order, body, exit', async () => {
  doors.runner.onRun = async () => answer;
  const { json } = await runByRest({ url });
  const result = json.result as { statusCode: number; headerList: [string, string][]; body: string; finalUrl: string };
  const whole = {
    status: answer.statusCode,
    headerList: answer.headers.map(({ name, value }) => [name, value]),
    body: Buffer.from(answer.body).toString('base64'),
    finalUrl: answer.finalUrl,
    exit: answer.exit,
  };
  const { statusCode: status, headerList, body, finalUrl } = result;
  expect({ status, headerList, body, finalUrl, exit: json.exit }).toEqual(whole);
  for (const caller of callers) {
    const { response, exit } = await caller.run({ request: { url } });
    expect({
      door: caller.name,
      status: response?.statusCode,
      headerList: response?.headers.map((header) => [header.name, header.value]),
      body: Buffer.from(response?.body ?? []).toString('base64'),
      finalUrl: response?.finalUrl,
      exit: { ...exit, $typeName: undefined },
    }).toEqual({ door: caller.name, ...whole });
  }
});

describe('a failure is told alike by every door', () => {
  test.each(Object.keys(failureTable) as Code[])('%s', async (code) => {
    const failure = new JobFailure(code, { execution: 'POSSIBLE', jobId: 'job-x', attempts, refusal: 'PORT' });
    doors.runner.onRun = () => Promise.reject(failure);
    const { response, json } = await runByRest({ url });
    const row = failureTable[code];
    expect(response.status).toBe(row.http);
    expect(response.headers.get('content-type')).toBe('application/problem+json');
    expect(response.headers.get('proxy-status')).toContain(`error=${row.proxyError};`);
    expect(json).toMatchObject({ agentErrorCode: code, status: row.http, title: row.title, detail: row.title });
    expect(json).toMatchObject({ code, origin: row.origin, execution: 'POSSIBLE', jobId: 'job-x', subReason: 'PORT' });
    expect(json.attempts).toEqual(attempts);
    const retryAfter = response.headers.get('retry-after');
    expect(json.retryable).toBe(retryAfter !== null);

    for (const caller of callers) {
      const { info, retry, ...status } = await caller.failure({ request: { url } });
      expect({ door: caller.name, ...status }).toMatchObject({ door: caller.name, code: row.grpc, message: row.title });
      expect(info).toMatchObject({ reason: code, domain: 'resproxy.dev' });
      expect(info?.metadata).toEqual({
        origin: json.origin,
        execution: json.execution,
        retryable: String(json.retryable),
        jobId: json.jobId,
        subReason: json.subReason,
      });
      expect(retry?.retryDelay?.seconds.toString()).toBe(retryAfter ?? undefined);
    }
  });

  test('with the attempts behind it', async () => {
    doors.runner.onRun = () => Promise.reject(new JobFailure('AGENT_LOST', { attempts }));
    for (const protocol of protocols) {
      const { runJob } = connectClient(JobService, doors.httpUrl, protocol);
      const { attempts: told } = await connectFailure(runJob({ request: { url } }));
      expect(told.map(({ exitId, code }) => [exitId, codeName(code)])).toEqual([['a/b/c', 'AGENT_LOST']]);
    }
  });
});

test('a fault of ours is told without particulars', async () => {
  doors.runner.onRun = () => Promise.reject(new TypeError('secret particulars'));
  const failures = await Promise.all(callers.map((caller) => caller.failure({ request: { url } })));
  for (const failure of failures) expect(failure.info?.reason).toBe('INTERNAL');
  const { json } = await runByRest({ url });
  expect(json.code).toBe('INTERNAL');
  expect(
    JSON.stringify([failures, json], (_, value) => (typeof value === 'bigint' ? String(value) : value)),
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
  for (const caller of callers) {
    const failure = await caller.failure({ request: { url, headers } });
    expect(failure.info?.metadata.field).toBe('request.headers[1]');
  }
  const { json } = await runByRest(wrong);
  expect(json).toMatchObject({ field: 'headers[1]', code: 'INVALID_REQUEST', status: 400 });
  expect(json.detail).toMatch(/^headers\[1\]: /);
});

test('the same job by every door is the same job', async () => {
  doors.runner.jobs.length = 0;
  doors.runner.onRun = () => Promise.reject(new JobFailure('NO_EXIT_AVAILABLE'));
  for (const caller of callers) {
    await caller.failure({
      request: { url, method: 'POST', headers: [{ name: 'A', value: 'é' }], body: Buffer.from('ü') },
      target: { country: 'de', labels: { rack: '7' } },
      timeout: { seconds: 1n, nanos: 500_000_000 },
    });
  }
  await runByRest({
    url,
    method: 'POST',
    headers: { A: 'é' },
    body: 'ü',
    target: { country: 'de', labels: { rack: '7' } },
    timeoutMs: 1500,
  });
  const [first, ...others] = doors.runner.jobs.map(
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
  expect(others).toEqual(Array(callers.length).fill(first));
});
