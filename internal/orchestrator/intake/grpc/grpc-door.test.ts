import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt';
import { credentials, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, test } from '@jest/globals';
import { service as healthDefinition } from 'grpc-health-check';
import {
  AgentService,
  type ListAgentsResponse,
  type WatchAgentsResponse,
} from '../../../../gen/resproxy/v1/agent_pb.ts';
import { JobService, RunJobRequestSchema, type StreamJobResponse } from '../../../../gen/resproxy/v1/job_pb.ts';
import { systemClock } from '../../../kit/clock.ts';
import { selfSigned } from '../../../kit/self-signed.ts';
import { TlsFiles } from '../../../kit/tls-files.ts';
import type { JobEvent } from '../../dispatch/job.ts';
import {
  agentRecord,
  answer,
  type Doors,
  type DoorsOptions,
  exitUsed,
  failureOf,
  GrpcCaller,
  openDoors,
  toFailure,
  token,
} from '../fixture.ts';
import { definitionOf } from './definition.ts';

const url = 'http://example.com/';
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: DoorsOptions = {}): Promise<{ doors: Doors; caller: GrpcCaller }> {
  const doors = await openDoors(options);
  cleanups.push(() => doors.close());
  const caller = new GrpcCaller(doors.grpcPort);
  cleanups.push(() => caller.close());
  return { doors, caller };
}

function stranger(doors: Doors, authorization: string): GrpcCaller {
  const caller = new GrpcCaller(doors.grpcPort, credentials.createInsecure(), authorization);
  cleanups.push(() => caller.close());
  return caller;
}

describe('RunJob', () => {
  test('answers with status, ordered headers, body, exit and attempts', async () => {
    const { caller, doors } = await open();
    const response = await caller.runJob({ request: { url } });
    expect(response.jobId).toBe('job-1');
    expect(response.response?.statusCode).toBe(200);
    expect(response.response?.headers.map(({ name, value }) => [name, value])).toEqual(
      answer.headers.map(({ name, value }) => [name, value]),
    );
    expect(Buffer.from(response.response?.body ?? [])).toEqual(answer.body);
    expect(response.exit).toMatchObject(exitUsed);
    expect(response.attempts).toMatchObject([{ exitId: exitUsed.exitId, code: 0, duration: { nanos: 12_500_000 } }]);
    expect(response.timings).toMatchObject({ dnsUs: 1, totalUs: 5 });
    expect(doors.told.finishedJobs).toEqual(['grpc OK']);
  });

  test('a caller that leaves aborts its job, one that gets its answer does not', async () => {
    const { caller, doors } = await open();
    const signals: AbortSignal[] = [];
    const begun = Promise.withResolvers<void>();
    doors.runner.onRun = async (_job, signal) => {
      signals.push(signal);
      if (signals.length === 2) begun.resolve(await new Promise<never>(() => {}));
      return answer;
    };
    await caller.runJob({ request: { url } });
    const { path, requestSerialize } = definitionOf(JobService.method.runJob);
    const request = create(RunJobRequestSchema, { request: { url } });
    const call = caller.client.makeUnaryRequest(
      path,
      requestSerialize,
      (bytes) => bytes,
      request,
      caller.metadata,
      () => {},
    );
    while (!signals[1]) await new Promise(setImmediate);
    const aborted = once(signals[1], 'abort');
    call.cancel();
    await aborted;
    expect(signals[0]?.aborted).toBe(false);
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
  });

  test('the deadline of the call bounds the job when it is the shorter one', async () => {
    const { caller, doors } = await open();
    await caller.runJob({ request: { url }, timeout: { seconds: 60n } }, 5_000);
    await caller.runJob({ request: { url }, timeout: { seconds: 1n } }, 5_000);
    const [first, second] = doors.runner.jobs.map(({ deadlineAt, receivedAt }) => deadlineAt - receivedAt);
    expect(first).toBeGreaterThan(4_000);
    expect(first).toBeLessThanOrEqual(5_000);
    expect(second).toBeCloseTo(1_000);
  });

  test('bodies of 16 MiB pass both ways', async () => {
    const { caller, doors } = await open();
    const body = Buffer.alloc(16 * 1024 * 1024, 7);
    doors.runner.onRun = async ({ request }) => ({ ...answer, body: request.body });
    const { response } = await caller.runJob({ request: { url, method: 'POST', body } });
    expect(Buffer.compare(response?.body ?? Buffer.alloc(0), body)).toBe(0);
  });
});

describe('who is not let in', () => {
  test('a missing, a malformed and a wrong token get the same answer, and nothing runs', async () => {
    const { doors } = await open();
    const failures = [];
    for (const authorization of ['', token, `Basic ${token}`, 'Bearer wrong', 'Bearer '])
      failures.push(await stranger(doors, authorization).failure({ request: { url } }));
    for (const failure of failures) expect(failure).toEqual(failures[0]);
    expect(failures[0]).toMatchObject({ code: status.UNAUTHENTICATED, info: { reason: 'UNAUTHENTICATED' } });
    expect(doors.runner.jobs).toEqual([]);
    expect(doors.told.refusedJobs).toHaveLength(5);
  });

  test('an address that fails without end is told to wait, and a good token from it still passes', async () => {
    const { doors, caller } = await open();
    const wrong = stranger(doors, 'Bearer wrong');
    const reasons = new Set<string | undefined>();
    for (let i = 0; i < 200; i++) reasons.add((await wrong.failure({ request: { url } })).info?.reason);
    expect([...reasons]).toEqual(['UNAUTHENTICATED', 'RATE_LIMITED']);
    expect((await caller.runJob({ request: { url } })).response?.statusCode).toBe(200);
  });

  test('a caller without the scope is denied', async () => {
    const { caller } = await open({ caller: { scopes: new Set(['agents:read']) } });
    const failure = await caller.failure({ request: { url } });
    expect(failure).toMatchObject({ code: status.PERMISSION_DENIED, info: { reason: 'SCOPE_DENIED' } });
    expect(failure.message).toContain('jobs:run');
  });

  test('the message of a caller that is refused is never read', async () => {
    const { doors } = await open();
    const session = connectHttp2(`http://127.0.0.1:${doors.grpcPort}`);
    cleanups.push(() => session.destroy());
    const stream = session.request({
      ':method': 'POST',
      ':path': '/resproxy.v1.JobService/RunJob',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    const [headers] = await once(stream, 'response');
    expect(headers['grpc-status']).toBe(String(status.UNAUTHENTICATED));
  });

  test('room is given back after every call, whatever its end', async () => {
    const { caller, doors } = await open();
    await caller.runJob({ request: { url } });
    await caller.failure({ request: { url: 'nonsense' } });
    doors.runner.onRun = () => Promise.reject(new Error('defect'));
    await caller.failure({ request: { url } });
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
    expect(doors.caller.load.inFlight).toBe(0);
  });
});

describe('what is no request', () => {
  test('a message that does not decode is the fault of its sender', async () => {
    const { caller, doors } = await open();
    const call = new Promise((resolve, reject) => {
      const send = (bytes: Buffer) => bytes;
      caller.client.makeUnaryRequest(
        '/resproxy.v1.JobService/RunJob',
        send,
        send,
        Buffer.from([0x0a, 0xff]),
        caller.metadata,
        (error, response) => (error ? reject(error) : resolve(response)),
      );
    });
    expect(await failureOf(call)).toMatchObject({
      code: status.INVALID_ARGUMENT,
      info: { reason: 'INVALID_REQUEST', metadata: { execution: 'NOT_STARTED' } },
    });
    expect(doors.runner.jobs).toEqual([]);
  });

  test('a message over the bound is refused in our words', async () => {
    const { caller } = await open();
    const failure = await caller.failure({ request: { url, method: 'POST', body: Buffer.alloc(18 * 1024 * 1024) } });
    expect(failure).toMatchObject({ code: status.INVALID_ARGUMENT, info: { reason: 'REQUEST_TOO_LARGE' } });
  });

  test('a field that this version does not know is refused by its number', async () => {
    const { caller } = await open();
    const known = toBinary(RunJobRequestSchema, create(RunJobRequestSchema, { request: { url } }));
    const bytes = Buffer.concat([known, Buffer.from([0xa0, 0x06, 0x01])]);
    const call = new Promise((resolve, reject) => {
      const send = (value: Buffer) => value;
      const done = (error: unknown, response: unknown) => (error ? reject(error) : resolve(response));
      caller.client.makeUnaryRequest('/resproxy.v1.JobService/RunJob', send, send, bytes, caller.metadata, done);
    });
    expect((await failureOf(call)).info).toMatchObject({ reason: 'UNIMPLEMENTED', metadata: { field: '#100' } });
  });

  test('a request that never ends is cut, and its room given back', async () => {
    const { doors } = await open({ grpcLimits: { requestTimeoutMs: 30 } });
    const session = connectHttp2(`http://127.0.0.1:${doors.grpcPort}`);
    cleanups.push(() => session.destroy());
    const stream = session.request({
      ':method': 'POST',
      ':path': '/resproxy.v1.JobService/RunJob',
      'content-type': 'application/grpc',
      authorization: `Bearer ${token}`,
    });
    stream.write(Buffer.from([0, 0, 0, 1, 0, 1]));
    const [headers] = await once(stream, 'response');
    expect(headers['grpc-status']).toBe(String(status.DEADLINE_EXCEEDED));
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
  });
});

describe('StreamJob', () => {
  const head: JobEvent = { type: 'head', statusCode: 206, headers: answer.headers, finalUrl: url };
  const summary: JobEvent = { type: 'summary', exit: exitUsed, attempts: [], timings: answer.timings, bodyBytes: 3 };

  test('tells status, head, body and summary in order', async () => {
    const { caller, doors } = await open();
    doors.runner.onStream = async function* () {
      yield { type: 'dispatched', attempt: 1, exit: exitUsed };
      yield { type: 'retrying', attempt: 1, exit: exitUsed, code: 'AGENT_LOST' };
      yield head;
      yield { type: 'body', bytes: Buffer.from('abc') };
      yield summary;
    };
    const events: StreamJobResponse['event'][] = [];
    for await (const { event } of caller.streamJob({ request: { url } }) as AsyncIterable<StreamJobResponse>)
      events.push(event);
    expect(events.map((event) => event.case)).toEqual(['status', 'status', 'head', 'body', 'summary']);
    expect(events[2]?.value).toMatchObject({ statusCode: 206, finalUrl: url });
    expect(Buffer.from(events[3]?.value as Uint8Array).toString()).toBe('abc');
    expect(events[4]?.value).toMatchObject({ bodyBytes: 3n, jobId: 'job-1' });
    expect(doors.told.finishedJobs).toEqual(['grpc OK']);
  });

  test('a slow reader stops the job from being read further', async () => {
    const { caller, doors } = await open();
    let pulled = 0;
    doors.runner.onStream = async function* () {
      yield head;
      for (; pulled < 1_000; pulled++) yield { type: 'body', bytes: Buffer.alloc(32 * 1024) };
      yield summary;
    };
    const stream = caller.streamJob({ request: { url } });
    stream.once('error', () => {});
    await once(stream, 'readable');
    let before = -1;
    while (before !== pulled) {
      before = pulled;
      for (let i = 0; i < 50; i++) await new Promise(setImmediate);
    }
    expect(pulled).toBeLessThan(100);
    let received = 0;
    for await (const { event } of stream as AsyncIterable<StreamJobResponse>)
      if (event.case === 'body') received += event.value.length;
    expect(received).toBe(1_000 * 32 * 1024);
  });

  test('a caller that leaves in the middle ends the loop, even while it does not read', async () => {
    const { caller, doors } = await open();
    const left = Promise.withResolvers<void>();
    let seen: AbortSignal | undefined;
    doors.runner.onStream = async function* (_job, signal) {
      seen = signal;
      try {
        for (;;) yield { type: 'body', bytes: Buffer.alloc(32 * 1024) };
      } finally {
        left.resolve();
      }
    };
    const stream = caller.streamJob({ request: { url } });
    stream.on('error', () => {});
    await once(stream, 'readable');
    stream.cancel();
    await left.promise;
    expect(seen?.aborted).toBe(true);
    while (doors.told.finishedJobs.length === 0) await new Promise(setImmediate);
    expect(doors.told.finishedJobs).toEqual(['grpc CANCELLED']);
  });

  test('a failure after the head still says what it is', async () => {
    const { caller, doors } = await open();
    doors.runner.onStream = async function* () {
      yield head;
      throw new (await import('../../failure/failures.ts')).JobFailure('RESPONSE_INCOMPLETE', { jobId: 'job-1' });
    };
    const stream = caller.streamJob({ request: { url } });
    stream.resume();
    const [error] = await once(stream, 'error');
    expect(toFailure(error).info).toMatchObject({ reason: 'RESPONSE_INCOMPLETE', metadata: { jobId: 'job-1' } });
  });
});

describe('AgentService', () => {
  test('lists what the tenant may use', async () => {
    const { caller, doors } = await open();
    doors.fleet.agents = [agentRecord('home-1/default')];
    const { path, requestSerialize, responseDeserialize } = definitionOf(AgentService.method.listAgents);
    const response = await new Promise<ListAgentsResponse | undefined>((resolve, reject) => {
      const request = create(AgentService.method.listAgents.input);
      caller.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        caller.metadata,
        (error, value) => (error ? reject(error) : resolve(value)),
      );
    });
    expect(response?.agents).toMatchObject([{ agentId: 'home-1/default', exits: [{ labels: { rack: '7' } }] }]);
  });

  test('a watch sends what is there, SYNCED, and ends when the pod goes away', async () => {
    const { caller, doors } = await open();
    doors.fleet.agents = [agentRecord('home-1/default')];
    const { path, requestSerialize, responseDeserialize } = definitionOf(AgentService.method.watchAgents);
    const request = create(AgentService.method.watchAgents.input);
    const stream = caller.client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      caller.metadata,
    );
    const changes: number[] = [];
    const synced = Promise.withResolvers<void>();
    stream.on('data', ({ change }: WatchAgentsResponse) => {
      changes.push(change);
      if (changes.length === 2) synced.resolve();
    });
    const failed = once(stream, 'error');
    await synced.promise;
    expect(changes).toEqual([1, 4]);
    await doors.grpc.stop(60_000);
    expect(toFailure((await failed)[0])).toMatchObject({ code: status.UNAVAILABLE, info: { reason: 'DRAINING' } });
  });
});

describe('health and reflection', () => {
  const check = healthDefinition.Check as unknown as ReturnType<typeof definitionOf>;
  const watch = healthDefinition.Watch as unknown as ReturnType<typeof definitionOf>;

  function ask(caller: GrpcCaller, service: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const done = (error: unknown, value: unknown) => (error ? reject(error) : resolve(value));
      const { path, requestSerialize, responseDeserialize } = check;
      caller.client.makeUnaryRequest(
        path,
        requestSerialize as (value: unknown) => Buffer,
        responseDeserialize as (bytes: Buffer) => unknown,
        { service },
        done,
      );
    });
  }

  test('health is open, for the server and for each service', async () => {
    const { doors } = await open();
    const anybody = stranger(doors, '');
    for (const service of ['', 'resproxy.v1.JobService', 'resproxy.v1.AgentService'])
      expect(await ask(anybody, service)).toMatchObject({ status: 'SERVING' });
    doors.health.healthy = false;
    expect(await ask(anybody, '')).toMatchObject({ status: 'NOT_SERVING' });
    await expect(ask(anybody, 'nothing')).rejects.toMatchObject({ code: status.NOT_FOUND });
  });

  test('a watcher hears of the drain, and its call ends', async () => {
    const { doors } = await open();
    const anybody = stranger(doors, '');
    const { path, requestSerialize, responseDeserialize } = watch;
    const stream = anybody.client.makeServerStreamRequest(
      path,
      requestSerialize as (value: unknown) => Buffer,
      responseDeserialize as (bytes: Buffer) => unknown,
      { service: '' },
    );
    const heard: unknown[] = [];
    stream.on('data', (value) => heard.push((value as { status: unknown }).status));
    await once(stream, 'data');
    const ended = once(stream, 'end');
    await doors.grpc.stop(60_000);
    await ended;
    expect(heard).toEqual(['SERVING', 'NOT_SERVING']);
  });

  test.each(['v1', 'v1alpha'])('reflection %s describes the services to callers that are known', async (version) => {
    const { doors, caller } = await open();
    const files = await reflect(caller, version);
    expect(files.map(({ name }) => name)).toContain('resproxy/v1/job.proto');
    expect(files.map(({ name }) => name)).toContain('google/protobuf/duration.proto');
    await expect(reflect(stranger(doors, ''), version)).rejects.toMatchObject({ code: status.UNAUTHENTICATED });
  });

  /** file_containing_symbol = 4 of the request; file_descriptor_response = 4 of the response, its files = 1. */
  async function reflect(caller: GrpcCaller, version: string) {
    const symbol = Buffer.from('resproxy.v1.JobService');
    const request = Buffer.concat([Buffer.from([0x22, symbol.length]), symbol]);
    const raw = (bytes: Buffer) => bytes;
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const stream = caller.client.makeBidiStreamRequest(path, raw, raw, caller.metadata);
    stream.write(request);
    stream.end();
    const [bytes] = (await once(stream, 'data')) as [Buffer];
    stream.resume();
    const { BinaryReader } = await import('@bufbuild/protobuf/wire');
    const outer = new BinaryReader(bytes);
    const files = [];
    while (outer.pos < outer.len) {
      const [field, type] = outer.tag();
      if (field !== 4) {
        outer.skip(type);
        continue;
      }
      const inner = new BinaryReader(outer.bytes());
      while (inner.pos < inner.len) {
        inner.tag();
        files.push(fromBinary(FileDescriptorProtoSchema, inner.bytes()));
      }
    }
    return files;
  }
});

describe('the listener', () => {
  test('cuts who says nothing, who speaks HTTP/1.1, and who stops in the middle', async () => {
    const { doors } = await open({ grpcLimits: { askWithinMs: 30 } });
    const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
    for (const bytes of ['', 'GET / HTTP/1.1\r\n\r\n', preface.slice(0, 10), preface, `${preface}\0\0\0\x06`]) {
      const socket = connect(doors.grpcPort, '127.0.0.1');
      cleanups.push(() => socket.destroy());
      socket.on('error', () => {});
      socket.write(bytes);
      await once(socket.resume(), 'close');
    }
  });

  test('takes a preface in pieces', async () => {
    const { doors } = await open();
    const socket = connect(doors.grpcPort, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    const bytes = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', 'latin1');
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    const [settings] = (await once(socket, 'data')) as [Buffer];
    expect(settings[3]).toBe(4);
  });

  test('a crowd of strangers pushes out its own oldest, never who has called', async () => {
    const { caller, doors } = await open({ grpcLimits: { maxStrangers: 2 } });
    await caller.runJob({ request: { url } });
    const stranger = () => {
      const socket = connect(doors.grpcPort, '127.0.0.1').on('error', () => {});
      cleanups.push(() => socket.destroy());
      return socket.resume();
    };
    const oldest = stranger();
    await once(oldest, 'connect');
    for (let i = 0; i < 2; i++) await once(stranger(), 'connect');
    await once(oldest, 'close');
    const newcomer = new GrpcCaller(doors.grpcPort);
    cleanups.push(() => newcomer.close());
    for (const each of [newcomer, caller])
      expect((await each.runJob({ request: { url } })).response?.statusCode).toBe(200);
    expect(doors.grpc.doorway).toMatchObject({ known: 2, cuts: { crowd: 2, full: 0 } });
  });

  test('takes no more callers than it may', async () => {
    const { caller, doors } = await open({ grpcLimits: { maxKnown: 1 } });
    await caller.runJob({ request: { url } });
    const second = connect(doors.grpcPort, '127.0.0.1').on('error', () => {});
    await once(second.resume(), 'close');
    expect((await caller.runJob({ request: { url } })).response?.statusCode).toBe(200);
    expect(doors.grpc.doorway.cuts.full).toBe(1);
  });

  test('does not listen plain off loopback unless it is told to', async () => {
    await expect(openDoors({ host: '0.0.0.0' })).rejects.toThrow('without TLS');
    await open({ host: '0.0.0.0', allowPlaintext: true });
  });

  test('serves TLS, takes a renewed certificate without a restart, and nothing but h2', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'door-'));
    cleanups.push(() => rm(dir, { recursive: true }));
    const [certPath, keyPath] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
    const renew = async (name: string) => {
      const { cert, key } = selfSigned(name);
      await Promise.all([writeFile(certPath, cert), writeFile(keyPath, key)]);
      return cert;
    };
    const firstCert = await renew('first');
    const tls = new TlsFiles({ certPath, keyPath, clock: systemClock, onFault: () => {} });
    await tls.start();
    cleanups.push(() => tls.stop());
    const { doors } = await open({ tls });
    const shown = async (ALPNProtocols: string[]) => {
      const socket = connectTls({ port: doors.grpcPort, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols });
      socket.on('error', () => {});
      cleanups.push(() => socket.destroy());
      await once(socket, 'secureConnect');
      return socket;
    };
    const caller = new GrpcCaller(doors.grpcPort, credentials.createSsl(Buffer.from(firstCert)));
    cleanups.push(() => caller.close());
    expect((await caller.runJob({ request: { url } })).response?.statusCode).toBe(200);
    expect((await shown(['h2'])).getPeerCertificate().subject.CN).toBe('first');
    await renew('second');
    // A change is taken once it has stood still for one poll.
    await tls.poll();
    await tls.poll();
    expect((await shown(['h2'])).getPeerCertificate().subject.CN).toBe('second');
    expect((await caller.runJob({ request: { url } })).response?.statusCode).toBe(200);
    const other = connectTls({ port: doors.grpcPort, host: '127.0.0.1', rejectUnauthorized: false });
    other.on('error', () => {});
    await once(other.resume(), 'close');
  });

  test('a drain lets the calls finish that run, and then closes', async () => {
    const { caller, doors } = await open();
    const release = Promise.withResolvers<void>();
    doors.runner.onRun = async () => {
      await release.promise;
      return answer;
    };
    const running = caller.runJob({ request: { url } });
    while (doors.runner.jobs.length === 0) await new Promise(setImmediate);
    const stopped = doors.grpc.stop(60_000);
    release.resolve();
    expect((await running).response?.statusCode).toBe(200);
    await stopped;
  });

  test('a drain breaks off what outlives the grace', async () => {
    const { caller, doors } = await open();
    doors.runner.onRun = () => new Promise(() => {});
    const running = failureOf(caller.runJob({ request: { url } }));
    while (doors.runner.jobs.length === 0) await new Promise(setImmediate);
    await doors.grpc.stop(20);
    expect((await running).code).toBe(status.UNAVAILABLE);
  });
});
