import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { gzipSync } from 'node:zlib';
import { toJsonString } from '@bufbuild/protobuf';
import { Code } from '@connectrpc/connect';
import { afterEach, describe, expect, test } from '@jest/globals';
import { AgentService, WatchAgentsResponse_Change } from '../../../../gen/resproxy/v1/agent_pb.ts';
import { JobService, RunJobRequestSchema } from '../../../../gen/resproxy/v1/job_pb.ts';
import { JobFailure } from '../../failure/failures.ts';
import { unlimited } from '../auth/caller.ts';
import { agentRecord, answer, type Doors, type DoorsOptions, openDoors, token } from '../fixture.ts';
import { connectClient, connectFailure, protocols } from './connect-fixture.ts';

const url = 'http://example.com/';
const MiB = 1024 * 1024;
const runJob = '/resproxy.v1.JobService/RunJob';
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: DoorsOptions = {}): Promise<Doors> {
  const doors = await openDoors(options);
  cleanups.push(() => doors.close());
  return doors;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

const aJob = {
  json: toJsonString(RunJobRequestSchema, {
    $typeName: 'resproxy.v1.RunJobRequest',
    idempotencyKey: '',
    request: {
      $typeName: 'resproxy.v1.HttpRequest',
      url,
      method: '',
      headers: [],
      body: new Uint8Array(),
      decompress: false,
      maxResponseBytes: 0n,
    },
  }),
};

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly json: { readonly code?: string; readonly message?: string; readonly details?: readonly Detail[] };
}

interface Detail {
  readonly type: string;
  readonly debug: { readonly reason?: string; readonly metadata?: Record<string, string> };
}

/** A plain POST, as curl sends it. */
async function post(doors: Doors, body: string | Blob, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(doors.httpUrl + runJob, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body,
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, json: text === '' ? {} : JSON.parse(text) };
}

const reasonOf = ({ json }: Answer) => json.details?.[0]?.debug.reason;

describe('a message that cannot be taken', () => {
  const ofJson: [string, string, RegExp][] = [
    ['a field that does not exist', '{"url":"x"}', /There is no field url in resproxy.v1.RunJobRequest/],
    ['a field below that does not exist', '{"request":{"metod":"GET"}}', /no field metod in resproxy.v1.HttpRequest/],
    ['a value of another type', '{"request":{"url":70007}}', /JSON of resproxy.v1.HttpRequest.url cannot be read/],
    ['an enum that does not exist', '{"request":{"redirects":{"mode":"NO"}}}', /RedirectPolicy.Mode cannot be read/],
    ['half of an object', '{', /JSON of resproxy.v1.RunJobRequest cannot be read/],
    ['no request', '{}', /^request: is missing/],
  ];

  test.each(ofJson)('JSON with %s is INVALID_REQUEST and says where', async (_name, body, detail) => {
    const doors = await open();
    const answered = await post(doors, body);
    expect(answered.status).toBe(400);
    expect(answered.json).toMatchObject({ code: 'invalid_argument', message: expect.stringMatching(detail) });
    expect(reasonOf(answered)).toBe('INVALID_REQUEST');
    expect(answered.json.details?.[0]?.debug.metadata).toMatchObject({ origin: 'CALLER', execution: 'NOT_STARTED' });
    expect(answered.json.message).not.toContain('70007');
    expect(doors.runner.jobs).toEqual([]);
  });

  test('bytes that are no message are INVALID_REQUEST in every protocol', async () => {
    const doors = await open();
    const garbage = new Blob([Buffer.from([0xff, 0xff, 0xff])]);
    expect(reasonOf(await post(doors, garbage, { 'content-type': 'application/proto' }))).toBe('INVALID_REQUEST');
    const framed = new Blob([Buffer.from([0, 0, 0, 0, 3, 0xff, 0xff, 0xff])]);
    for (const bytes of [framed, garbage]) {
      const response = await fetch(doors.httpUrl + runJob, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/grpc-web+proto' },
        body: bytes,
      });
      const trailers = await response.text();
      expect(trailers).toContain('grpc-status: 3\r\n');
      expect(trailers).toContain('grpc-status-details-bin: ');
    }
    expect(doors.runner.jobs).toEqual([]);
  });

  test('a field that a newer caller sets is refused by its number', async () => {
    const doors = await open();
    const bytes = new Blob([Buffer.from([0xf8, 0x06, 1])]);
    const answered = await post(doors, bytes, { 'content-type': 'application/proto' });
    expect(answered.json).toMatchObject({ code: 'unimplemented', message: expect.stringContaining('#111') });
  });

  test('a compression is undone when it is offered and sound', async () => {
    const doors = await open();
    const packed = (bytes: Buffer) => post(doors, new Blob([bytes]), { 'content-encoding': 'gzip' });
    expect((await packed(gzipSync(aJob.json))).status).toBe(200);
    expect(reasonOf(await packed(Buffer.from('no gzip')))).toBe('INVALID_REQUEST');
    expect(reasonOf(await post(doors, aJob.json, { 'content-encoding': 'zstd' }))).toBe('UNIMPLEMENTED');
  });

  test.each([
    ['application/json', 24],
    ['application/proto', 17],
  ])('%s over %d MiB is refused by its length, and without one when it passes the bound', async (type, mebibytes) => {
    const doors = await open();
    const head = { 'content-type': type, authorization: `Bearer ${token}` };
    const promised = await upload(doors, { ...head, 'content-length': String((mebibytes + 1) * MiB) }, 0);
    expect(promised.text).toContain('REQUEST_TOO_LARGE');
    const chunked = await upload(doors, head, mebibytes + 1);
    expect(chunked.text).toContain(`larger than ${mebibytes * MiB} bytes`);
    expect(chunked.response.headers.connection).toBe('close');
  });

  test('another method and another media type are refused with what is taken', async () => {
    const doors = await open();
    const got = await fetch(doors.httpUrl + runJob);
    expect([got.status, got.headers.get('allow')]).toEqual([405, 'POST']);
    const text = await post(doors, 'x', { 'content-type': 'text/plain' });
    expect([text.status, text.headers.get('accept-post')]).toEqual([415, expect.stringContaining('application/json')]);
    expect((await post(doors, 'x', { 'content-type': 'application/grpc' })).status).toBe(415);
  });
});

/** Sends so many MiB without waiting for an answer, and does not end the request. */
async function upload(doors: Doors, headers: Record<string, string>, mebibytes: number) {
  const request = httpRequest(doors.httpUrl + runJob, { method: 'POST', headers });
  request.on('error', () => {});
  cleanups.push(() => request.destroy());
  request.flushHeaders();
  for (let i = 0; i < mebibytes; i++) request.write(Buffer.alloc(MiB, 'x'));
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
    if (text.length >= Number(response.headers['content-length'])) response.emit('whole');
  });
  await once(response, 'whole');
  return { response, text };
}

describe('who is let in', () => {
  test('is decided before a byte of the message is read', async () => {
    const doors = await open();
    const head = { 'content-type': 'application/json', 'content-length': '1000' };
    const { response, text } = await upload(doors, { ...head, authorization: 'Bearer wrong' }, 0);
    expect(response.statusCode).toBe(401);
    expect(text).toContain('UNAUTHENTICATED');
    expect(doors.told.refusedJobs).toEqual(['connect UNAUTHENTICATED']);
  });

  test('a caller that asks first is told before it sends its body', async () => {
    const doors = await open();
    const ask = (authorization: string) => {
      const headers = { authorization, 'content-type': 'application/json', expect: '100-continue' };
      const request = httpRequest(doors.httpUrl + runJob, { method: 'POST', headers });
      request.on('error', () => {});
      cleanups.push(() => request.destroy());
      request.flushHeaders();
      return request;
    };
    const known = ask(`Bearer ${token}`);
    await once(known, 'continue');
    known.end(aJob.json);
    expect(((await once(known, 'response')) as [IncomingMessage])[0].statusCode).toBe(200);
    const unknown = ask('Bearer wrong');
    expect(((await once(unknown, 'response')) as [IncomingMessage])[0].statusCode).toBe(401);
  });

  test.each(protocols)('by token and scope, over %s', async (protocol) => {
    const doors = await open({ caller: { scopes: new Set(['agents:read']) } });
    const wrong = connectClient(JobService, doors.httpUrl, protocol, { authorization: 'Bearer wrong' });
    expect((await connectFailure(wrong.runJob({}))).info?.reason).toBe('UNAUTHENTICATED');
    const stream = async () => {
      for await (const _ of wrong.streamJob({}));
    };
    expect((await connectFailure(stream())).info?.reason).toBe('UNAUTHENTICATED');
    const jobs = connectClient(JobService, doors.httpUrl, protocol);
    expect(await connectFailure(jobs.runJob({}))).toMatchObject({
      code: Code.PermissionDenied,
      info: { reason: 'SCOPE_DENIED' },
    });
    const agents = connectClient(AgentService, doors.httpUrl, protocol);
    expect((await agents.listAgents({})).agents).toEqual([]);
    await until(() => doors.admission.inFlight === 0);
  });

  test('a caller at its limit is told so, and the room of a call is given back at its end', async () => {
    const doors = await open({ caller: { limits: { ...unlimited, maxInFlight: 1 } } });
    const { runJob: run } = connectClient(JobService, doors.httpUrl, 'Connect binary');
    const leaving = new AbortController();
    doors.runner.onRun = () => new Promise(() => {});
    const first = connectFailure(run({ request: { url } }, { signal: leaving.signal }));
    await until(() => doors.runner.jobs.length === 1);
    expect((await connectFailure(run({ request: { url } }))).info?.reason).toBe('QUOTA_EXCEEDED');
    leaving.abort();
    await first;
    await until(() => doors.admission.inFlight === 0);
    doors.runner.onRun = async () => answer;
    await run({ request: { url } });
  });

  test('jobs are counted by the door that they came through', async () => {
    const doors = await open();
    for (const protocol of protocols)
      await connectClient(JobService, doors.httpUrl, protocol).runJob({ request: { url } });
    expect(doors.told.finishedJobs).toEqual(['connect OK', 'connect OK', 'grpc-web OK', 'grpc-web OK']);
  });

  test("the caller's id of the request comes back", async () => {
    const doors = await open();
    const { headers } = await post(doors, aJob.json, { 'x-request-id': 'mine-1' });
    expect(headers.get('x-request-id')).toBe('mine-1');
    expect((await post(doors, aJob.json)).headers.get('x-request-id')).toBe('made-here');
  });
});

describe('the time of a call', () => {
  test.each(protocols)('that its caller sets is the deadline of its job, over %s', async (protocol) => {
    const doors = await open();
    const { runJob: run } = connectClient(JobService, doors.httpUrl, protocol);
    await run({ request: { url } }, { timeoutMs: 5_000 });
    const [job] = doors.runner.jobs;
    const ms = (job?.deadlineAt ?? 0) - (job?.receivedAt ?? 0);
    expect(ms).toBeGreaterThan(4_000);
    expect(ms).toBeLessThanOrEqual(5_000);
  });

  test('is refused when it cannot be read, and may be longer than any timer', async () => {
    const doors = await open();
    const unreadable = await post(doors, aJob.json, { 'connect-timeout-ms': '5s' });
    expect(unreadable.json).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('timeout') });
    const warned: Error[] = [];
    const onWarning = (warning: Error) => warned.push(warning);
    process.on('warning', onWarning);
    cleanups.push(() => process.off('warning', onWarning));
    expect((await post(doors, aJob.json, { 'connect-timeout-ms': '9999999999' })).status).toBe(200);
    await new Promise(setImmediate);
    expect(warned).toEqual([]);
  });

  test.each(protocols)('ends a watch with DEADLINE_EXCEEDED, over %s', async (protocol) => {
    const doors = await open();
    // The client would end the call by itself: the header alone asks the server.
    const watch = async () => {
      const headers = protocol.startsWith('Connect') ? { 'connect-timeout-ms': '20' } : { 'grpc-timeout': '20m' };
      const { watchAgents } = connectClient(AgentService, doors.httpUrl, protocol);
      for await (const _ of watchAgents({}, { headers }));
    };
    expect((await connectFailure(watch())).info?.reason).toBe('DEADLINE_EXCEEDED');
    await until(() => doors.admission.inFlight === 0);
  });
});

describe('streams', () => {
  test.each(protocols)('come as they are, over %s', async (protocol) => {
    const doors = await open();
    doors.fleet.agents = [agentRecord('home-1/default')];
    const leaving = new AbortController();
    const { watchAgents } = connectClient(AgentService, doors.httpUrl, protocol);
    const seen: unknown[] = [];
    const watching = async () => {
      for await (const { change, agent } of watchAgents({}, { signal: leaving.signal })) {
        seen.push([change, agent?.agentId]);
        if (change === WatchAgentsResponse_Change.SYNCED) leaving.abort();
      }
    };
    expect((await connectFailure(watching())).code).toBe(Code.Canceled);
    expect(seen).toEqual([
      [WatchAgentsResponse_Change.ADDED, 'home-1/default'],
      [WatchAgentsResponse_Change.SYNCED, undefined],
    ]);
    await until(() => doors.admission.inFlight === 0);
  });

  test.each(protocols)('that fail on the way say why after what was sent, over %s', async (protocol) => {
    const doors = await open();
    doors.runner.onStream = async function* () {
      yield { type: 'body', bytes: Buffer.from('half') };
      throw new JobFailure('RESPONSE_INCOMPLETE', { execution: 'POSSIBLE' });
    };
    const { streamJob } = connectClient(JobService, doors.httpUrl, protocol);
    const pieces: string[] = [];
    const reading = async () => {
      for await (const { event } of streamJob({ request: { url } }))
        if (event.case === 'body') pieces.push(Buffer.from(event.value).toString());
    };
    const { info } = await connectFailure(reading());
    expect(info).toMatchObject({
      reason: 'RESPONSE_INCOMPLETE',
      metadata: { origin: 'ORIGIN', execution: 'POSSIBLE' },
    });
    expect(pieces).toEqual(['half']);
  });

  /** A stream without an end, and how far it was asked for. */
  function endless(doors: Doors) {
    const state = { pieces: 0, ended: false };
    const bytes = Buffer.alloc(32 * 1024);
    doors.runner.onStream = async function* (_job, signal) {
      try {
        while (!signal.aborted) {
          state.pieces++;
          yield { type: 'body', bytes };
          await new Promise(setImmediate);
        }
        throw new JobFailure('CANCELLED');
      } finally {
        state.ended = true;
      }
    };
    return state;
  }

  /** The head of a StreamJob whose answer nobody reads yet. */
  async function unreadStream(doors: Doors): Promise<IncomingMessage> {
    const request = httpRequest(`${doors.httpUrl}/resproxy.v1.JobService/StreamJob`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/connect+json' },
    });
    request.on('error', () => {});
    cleanups.push(() => request.destroy());
    const head = Buffer.alloc(5);
    head.writeUInt32BE(aJob.json.length, 1);
    request.end(Buffer.concat([head, Buffer.from(aJob.json)]));
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return response.on('error', () => {});
  }

  /** Once nothing moved for a while. */
  async function still(state: { readonly pieces: number }): Promise<number> {
    for (let before = -1, turns = 0; turns < 50; turns++) {
      if (state.pieces !== before) turns = 0;
      before = state.pieces;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return state.pieces;
  }

  test('are asked for no more than their caller reads, and go on when it does', async () => {
    const doors = await open();
    const state = endless(doors);
    const response = await unreadStream(doors);
    const paused = await still(state);
    // What the kernel holds on both sides of a loopback connection, and no more.
    expect(paused).toBeLessThan(1000);
    response.resume();
    await until(() => state.pieces > paused + 100);
    response.destroy();
    await until(() => state.ended && doors.admission.inFlight === 0);
    expect(doors.told.finishedJobs).toEqual(['connect CANCELLED']);
  });

  test('are given up when their caller does not read at all', async () => {
    const doors = await open({ httpLimits: { writeTimeoutMs: 40 } });
    const state = endless(doors);
    const response = await unreadStream(doors);
    await until(() => state.ended && doors.admission.inFlight === 0);
    expect(response.complete).toBe(false);
  });

  test.each(protocols)('end when their caller leaves, over %s', async (protocol) => {
    const doors = await open();
    const state = endless(doors);
    const { streamJob } = connectClient(JobService, doors.httpUrl, protocol);
    const leaving = new AbortController();
    const reading = async () => {
      for await (const _ of streamJob({ request: { url } }, { signal: leaving.signal })) leaving.abort();
    };
    expect((await connectFailure(reading())).code).toBe(Code.Canceled);
    await until(() => state.ended && doors.admission.inFlight === 0);
  });
});

test('a caller that hangs up aborts its job, one that gets its answer does not', async () => {
  const doors = await open();
  const signals: AbortSignal[] = [];
  doors.runner.onRun = async (_job, signal) => {
    signals.push(signal);
    return signals.length === 1 ? answer : await new Promise<never>(() => {});
  };
  const { runJob: run } = connectClient(JobService, doors.httpUrl, 'Connect JSON');
  await run({ request: { url } });
  const leaving = new AbortController();
  const job = connectFailure(run({ request: { url } }, { signal: leaving.signal }));
  await until(() => signals.length === 2);
  leaving.abort();
  await job;
  await until(() => signals[1]?.aborted === true);
  await until(() => doors.admission.inFlight === 0);
  expect(signals[0]?.aborted).toBe(false);
});
