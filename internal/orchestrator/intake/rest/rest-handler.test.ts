import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { JobFailure } from '../../failure/failures.ts';
import { unlimited } from '../auth/caller.ts';
import { agentRecord, answer, type Doors, type DoorsOptions, exitUsed, openDoors, token } from '../fixture.ts';

const url = 'http://example.com/';
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: DoorsOptions = {}): Promise<Doors> {
  const doors = await openDoors(options);
  cleanups.push(() => doors.close());
  return doors;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: Record<string, unknown>;
}

async function call(
  doors: Doors,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const response = await fetch(doors.httpUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text) };
}

const run = (doors: Doors, body: unknown, headers?: Record<string, string>) =>
  call(doors, 'POST', '/jobs?sync=true', body, headers);

describe('POST /jobs?sync=true', () => {
  test('answers in exactly the shape that is promised', async () => {
    const doors = await open();
    const { status, headers, json } = await run(doors, { url }, { 'x-request-id': 'mine-1' });
    expect(status).toBe(200);
    expect(headers.get('content-type')).toBe('application/json');
    expect(headers.get('x-request-id')).toBe('mine-1');
    expect(json).toEqual({
      message: 'Job completed successfully.',
      jobId: 'job-1',
      requestId: 'mine-1',
      result: {
        statusCode: 200,
        headers: { 'content-type': 'text/plain', 'x-a': ['1', '2'], 'set-cookie': ['a=b'] },
        headerList: answer.headers.map(({ name, value }) => [name, value]),
        body: Buffer.from(answer.body).toString('base64'),
        isBase64Encoded: true,
        finalUrl: 'http://example.com/end',
      },
      exit: exitUsed,
      attempts: [{ exitId: exitUsed.exitId, execution: 'DONE', durationMs: 12.5 }],
      timings: { dnsUs: 1, connectUs: 2, tlsUs: 3, firstByteUs: 4, totalUs: 5 },
    });
    expect(doors.told.finishedJobs).toEqual(['rest OK']);
  });

  test('sync may stand in the body; without it nobody waits for the job', async () => {
    const doors = await open();
    expect((await call(doors, 'POST', '/jobs', { url, sync: true })).status).toBe(200);
    for (const body of [{ url }, { url, sync: false }])
      expect(await call(doors, 'POST', '/jobs', body)).toMatchObject({
        status: 202,
        json: { message: 'Job accepted.' },
      });
  });

  test('a timeout is told in the words that callers know', async () => {
    const doors = await open();
    doors.runner.onRun = () => Promise.reject(new JobFailure('DEADLINE_EXCEEDED', { jobId: 'job-1' }));
    const { status, json } = await run(doors, { url });
    expect(status).toBe(504);
    expect(json).toMatchObject({
      message: 'Request timed out waiting for job completion.',
      jobId: 'job-1',
      requestId: 'made-here',
      agentErrorCode: 'DEADLINE_EXCEEDED',
    });
  });

  test('headers may come in each of three forms, and keep their order', async () => {
    const doors = await open();
    const forms = [
      { A: '1', b: ['2', '3'] },
      [
        ['A', '1'],
        ['b', '2'],
        ['b', '3'],
      ],
    ];
    for (const headers of forms) await run(doors, { url, headers });
    for (const job of doors.runner.jobs)
      expect(job.request.headers.map(({ name, value }) => [name, value])).toEqual(forms[1]);
  });

  test('bodies come as text or as base64', async () => {
    const doors = await open();
    await run(doors, { url, method: 'POST', body: 'ü' });
    await run(doors, { url, method: 'POST', body: '/wAB', bodyEncoding: 'base64' });
    const bodies = doors.runner.jobs.map(({ request }) => Buffer.from(request.body));
    expect(bodies).toEqual([Buffer.from('ü'), Buffer.from([255, 0, 1])]);
  });

  test('a caller that hangs up aborts its job, one that gets its answer does not', async () => {
    const doors = await open();
    const signals: AbortSignal[] = [];
    doors.runner.onRun = async (_job, signal) => {
      signals.push(signal);
      return signals.length === 1 ? answer : await new Promise<never>(() => {});
    };
    await run(doors, { url });
    const leaving = new AbortController();
    const job = fetch(`${doors.httpUrl}/jobs?sync=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ url }),
      signal: leaving.signal,
    });
    while (!signals[1]) await new Promise(setImmediate);
    const aborted = once(signals[1], 'abort');
    leaving.abort();
    await expect(job).rejects.toThrow();
    await aborted;
    expect(signals[0]?.aborted).toBe(false);
  });
});

describe('what is no job', () => {
  const refusals: [string, unknown, string | undefined][] = [
    ['a field that does not exist', { url, metod: 'GET' }, 'metod'],
    ['a field of the target that does not exist', { url, target: { planet: 'mars' } }, 'target.planet'],
    ['no url', {}, 'url'],
    ['a url that is no text', { url: 7 }, 'url'],
    ['an empty url', { url: '' }, 'url'],
    ['a timeout of nothing', { url, timeoutMs: 0 }, 'timeoutMs'],
    ['a timeout that is no number', { url, timeoutMs: '5' }, 'timeoutMs'],
    ['headers that are a text', { url, headers: 'x: y' }, 'headers'],
    ['a header pair of three', { url, headers: [['a', 'b', 'c']] }, 'headers[0]'],
    ['a header value that is no text', { url, headers: { a: ['b', 7] } }, 'headers.a'],
    ['a header that belongs to the connection', { url, headers: { connection: 'close' } }, 'headers[0]'],
    ['base64 that is none', { url, body: '%%%', bodyEncoding: 'base64' }, 'body'],
    ['base64 without its padding', { url, body: 'QQ', bodyEncoding: 'base64' }, 'body'],
    ['an encoding nobody knows', { url, body: 'x', bodyEncoding: 'rot13' }, 'bodyEncoding'],
    ['an AS number below zero', { url, target: { asn: -1 } }, 'target.asn'],
    ['an exit id that is none', { url, target: { exitId: 'x' } }, 'target.exitId'],
    ['labels that are a list', { url, target: { labels: ['a'] } }, 'target.labels'],
    [
      'a label that would be lost on an object',
      `{"url":"${url}","target":{"labels":{"__proto__":7}}}`,
      'target.labels.__proto__',
    ],
    ['a list', [], undefined],
    ['nothing', '', undefined],
    ['half of an object', '{', undefined],
  ];

  test.each(refusals)('%s', async (_name, body, field) => {
    const doors = await open();
    const { status, json, headers } = await run(doors, body);
    expect(status).toBe(400);
    expect(headers.get('content-type')).toBe('application/problem+json');
    expect(json).toMatchObject({
      code: 'INVALID_REQUEST',
      agentErrorCode: 'INVALID_REQUEST',
      execution: 'NOT_STARTED',
    });
    expect(json.field).toBe(field);
    if (field !== undefined) expect(String(json.detail).startsWith(`${field}: `)).toBe(true);
    expect(json.message).toBe(`Job failed during execution: ${String(json.detail)}`);
    expect(doors.runner.jobs).toEqual([]);
  });

  test('text that is no UTF-8', async () => {
    const doors = await open();
    const bytes = Buffer.concat([Buffer.from('{"url":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    const response = await fetch(`${doors.httpUrl}/jobs?sync=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: new Blob([bytes]),
    });
    expect(response.status).toBe(400);
  });

  test('a parameter that is not honoured is refused by name', async () => {
    const doors = await open();
    const withParameter = await call(doors, 'POST', '/jobs?sync=true&callback=x', { url });
    expect(withParameter.json).toMatchObject({ status: 400, field: 'callback' });
    expect((await call(doors, 'POST', '/jobs?sync=maybe', { url })).json).toMatchObject({ field: 'sync' });
    expect(doors.runner.jobs).toEqual([]);
  });

  test('other paths, methods and media types', async () => {
    const doors = await open();
    expect((await call(doors, 'GET', '/nothing')).json).toMatchObject({ status: 404 });
    const wrongMethod = await call(doors, 'PUT', '/jobs', { url });
    expect(wrongMethod.status).toBe(405);
    expect(wrongMethod.headers.get('allow')).toBe('GET, HEAD, POST');
    for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json; charset=latin1'])
      expect((await run(doors, { url }, { 'content-type': type })).status).toBe(415);
    expect((await run(doors, { url }, { 'content-type': 'application/json; charset=UTF-8' })).status).toBe(200);
    expect((await run(doors, { url }, { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  test('a length beyond the bound is refused by the head, a body without a length when it passes the bound', async () => {
    const doors = await open();
    const promised = await upload(doors, { 'content-length': String(25 * 1024 * 1024) }, 0);
    expect(promised.statusCode).toBe(413);
    const chunked = await upload(doors, {}, 25);
    expect(chunked.statusCode).toBe(413);
    expect(chunked.headers.connection).toBe('close');
  });

  /** Sends so many MiB without waiting for an answer, and then does not end the request. */
  async function upload(doors: Doors, headers: Record<string, string>, mebibytes: number): Promise<IncomingMessage> {
    const request = httpRequest(`${doors.httpUrl}/jobs?sync=true`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    });
    request.on('error', () => {});
    cleanups.push(() => request.destroy());
    request.flushHeaders();
    for (let i = 0; i < mebibytes; i++) request.write(Buffer.alloc(1024 * 1024, 'x'));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response.resume();
  }

  test('a caller that asks first is told before it sends its body', async () => {
    const doors = await open();
    const ask = (authorization: string) => {
      const request = httpRequest(`${doors.httpUrl}/jobs?sync=true`, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json', expect: '100-continue' },
      });
      request.on('error', () => {});
      cleanups.push(() => request.destroy());
      request.flushHeaders();
      return request;
    };
    const known = ask(`Bearer ${token}`);
    await once(known, 'continue');
    known.end(JSON.stringify({ url }));
    expect(((await once(known, 'response')) as [IncomingMessage])[0].statusCode).toBe(200);
    const unknown = ask('Bearer wrong');
    expect(((await once(unknown, 'response')) as [IncomingMessage])[0].statusCode).toBe(401);
  });
});

describe('who is let in', () => {
  test('jobs and agents need a token and its scope, health needs nobody', async () => {
    const doors = await open({ caller: { scopes: new Set(['agents:read']) } });
    const wrong = await call(doors, 'GET', '/agents', undefined, { authorization: 'Bearer wrong' });
    expect(wrong.status).toBe(401);
    expect(wrong.headers.get('www-authenticate')).toMatch(/^Bearer error="invalid_token", error_description="/);
    expect(wrong.json.message).not.toContain('Job failed');
    expect((await call(doors, 'GET', '/agents')).status).toBe(200);
    expect((await run(doors, { url })).json).toMatchObject({ status: 403, code: 'SCOPE_DENIED' });
    expect((await fetch(`${doors.httpUrl}/health`)).status).toBe(200);
  });

  test('a caller over its limits is told how long to wait', async () => {
    const doors = await open({ caller: { limits: { ...unlimited, maxInFlight: 1 } } });
    doors.runner.onRun = () => new Promise(() => {});
    void run(doors, { url }).catch(() => {});
    while (doors.runner.jobs.length === 0) await new Promise(setImmediate);
    const { status, headers, json } = await run(doors, { url });
    expect(status).toBe(429);
    expect(json.code).toBe('QUOTA_EXCEEDED');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
  });

  test('an id of the caller that is not fit for a log is replaced', async () => {
    const doors = await open();
    const { headers } = await run(doors, { url }, { 'x-request-id': 'a b' });
    expect(headers.get('x-request-id')).toBe('made-here');
  });
});

describe('GET /agents and GET /health', () => {
  test('agents are shown in exactly the shape that is promised, without the home', async () => {
    const doors = await open();
    doors.fleet.agents = [agentRecord('home-1/default')];
    const { json } = await call(doors, 'GET', '/agents');
    expect(json).toEqual({
      agents: [
        {
          connectionId: 'c-home-1/default',
          agentId: 'home-1/default',
          status: 'available',
          connectedAt: '2023-11-14T22:13:20.000Z',
          lastHeartbeat: '2023-11-14T22:13:21.500Z',
          podId: 'pod-1',
          version: '0.1.0',
          exits: [
            {
              exitId: 'home-1/default/direct',
              kind: 'direct',
              state: 'available',
              capacity: 8,
              inFlight: 1,
              country: 'DE',
              region: '',
              city: '',
              asn: 0,
              labels: { rack: '7' },
            },
          ],
          metadata: { platform: 'linux' },
        },
      ],
    });
  });

  test('filters, order and pages', async () => {
    const doors = await open();
    doors.fleet.agents = ['a/1', 'a/2', 'a/3'].map((id) => agentRecord(id));
    const first = await call(doors, 'GET', '/agents?sortBy=agentId&sortOrder=desc&limit=2');
    expect((first.json.agents as { agentId: string }[]).map(({ agentId }) => agentId)).toEqual(['a/3', 'a/2']);
    const next = await call(
      doors,
      'GET',
      `/agents?sortBy=agentId&sortOrder=desc&limit=2&nextToken=${String(first.json.nextToken)}`,
    );
    expect((next.json.agents as { agentId: string }[]).map(({ agentId }) => agentId)).toEqual(['a/1']);
    expect(next.json.nextToken).toBeUndefined();
    expect((await call(doors, 'GET', '/agents?country=fr')).json).toEqual({ agents: [] });
  });

  test.each([
    'status=gone',
    'sortBy=x',
    'sortOrder=up',
    'limit=0',
    'limit=101',
    'limit=x',
    'nextToken=x',
    'page=1',
    'limit=1&limit=2',
  ])('a parameter that says nothing is refused by name: %s', async (query) => {
    const { status, json } = await call(await open(), 'GET', `/agents?${query}`);
    expect(status).toBe(400);
    expect(json.field).toBe(query.split('=')[0]);
  });

  test('health says what is ill', async () => {
    const doors = await open();
    expect((await call(doors, 'GET', '/health')).json).toEqual({ status: 'healthy', checks: { pod: 'OK' } });
    doors.health.healthy = false;
    const ill = await call(doors, 'GET', '/health');
    expect(ill.status).toBe(503);
    expect(ill.json).toEqual({ status: 'unhealthy', checks: { pod: 'ill' } });
  });
});
