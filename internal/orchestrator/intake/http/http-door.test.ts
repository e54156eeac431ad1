import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { type ClientHttp2Session, connect as connectHttp2, constants } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { create, toBinary } from '@bufbuild/protobuf';
import { afterEach, describe, expect, test } from '@jest/globals';
import { JobService, RunJobRequestSchema } from '../../../../gen/resproxy/v1/job_pb.ts';
import { sleep, systemClock } from '../../../kit/clock.ts';
import { selfSigned } from '../../../kit/self-signed.ts';
import { TlsFiles } from '../../../kit/tls-files.ts';
import { connectClient, connectFailure, protocols } from '../connect/connect-fixture.ts';
import { answer, type Doors, type DoorsOptions, openDoors, token } from '../fixture.ts';

const url = 'http://example.com/';
const aJob = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open(options: DoorsOptions = {}): Promise<Doors> {
  const doors = await openDoors(options);
  cleanups.push(() => doors.close());
  return doors;
}

function run(doors: Doors): Promise<Response> {
  return fetch(`${doors.httpUrl}/jobs?sync=true`, { method: 'POST', headers: aJob, body: JSON.stringify({ url }) });
}

async function certificate(name: string) {
  const dir = await mkdtemp(join(tmpdir(), 'door-'));
  cleanups.push(() => rm(dir, { recursive: true }));
  const [certPath, keyPath] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const renew = async (commonName: string) => {
    const { cert, key } = selfSigned(commonName);
    await Promise.all([writeFile(certPath, cert), writeFile(keyPath, key)]);
  };
  await renew(name);
  const tls = new TlsFiles({ certPath, keyPath, clock: systemClock, onFault: () => {} });
  await tls.start();
  cleanups.push(() => tls.stop());
  return { tls, renew };
}

const slowButMoving = { bodyIdleMs: 150, minBodyBytesPerSecond: 10 };
const message = toBinary(RunJobRequestSchema, create(RunJobRequestSchema, { request: { url } }));
const slowBodies: [path: string, type: string, body: Buffer][] = [
  ['/jobs?sync=true', 'application/json', Buffer.from(JSON.stringify({ url }))],
  ['/resproxy.v1.JobService/RunJob', 'application/json', Buffer.from(JSON.stringify({ request: { url } }))],
  [
    '/resproxy.v1.JobService/RunJob',
    'application/grpc-web+proto',
    Buffer.from([0, 0, 0, 0, message.length, ...message]),
  ],
];

/** As JSON, and as gRPC-Web. */
const standsStill = /still(?: |%20)for(?: |%20)100(?: |%20)ms/;

/** Takes longer than `bodyIdleMs` in all, and pauses for less. */
async function trickle(request: Writable, body: Buffer): Promise<void> {
  const pieces = 7;
  const size = Math.ceil(body.length / pieces);
  for (let at = 0; at < body.length; at += size) {
    request.write(body.subarray(at, at + size));
    await sleep(systemClock, 30);
  }
  request.end();
}

describe('the listener', () => {
  const quick = { askWithinMs: 40, headTimeoutMs: 40, requestTimeoutMs: 80, overdueCheckMs: 10 };

  test.each([
    ['nothing', ''],
    ['half a head', 'POST /jobs HT'],
    [
      'half a body',
      `POST /jobs?sync=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{`,
    ],
  ])('cuts who sends %s and no more', async (_name, bytes) => {
    const doors = await open({ httpLimits: quick });
    const socket = connect(doors.httpPort, '127.0.0.1').on('error', () => {});
    cleanups.push(() => socket.destroy());
    socket.write(bytes);
    await once(socket.resume(), 'close');
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
  });

  test.each([
    ['/jobs?sync=true', 'application/json', 'HTTP/1.1 408 ', 'INVALID_REQUEST'],
    ['/resproxy.v1.JobService/RunJob', 'application/json', 'HTTP/1.1 400 ', 'INVALID_REQUEST'],
    ['/resproxy.v1.JobService/RunJob', 'application/grpc-web+proto', 'HTTP/1.1 200 ', 'grpc-status: 3'],
  ])('tells a caller whose body stands still so: %s %s', async (path, type, status, told) => {
    const doors = await open({ httpLimits: { bodyIdleMs: 100 } });
    const socket = connect(doors.httpPort, '127.0.0.1').on('error', () => {});
    cleanups.push(() => socket.destroy());
    const head = `host: x\r\nauthorization: Bearer ${token}\r\ncontent-type: ${type}\r\ncontent-length: 99`;
    socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n\r\n\0`);
    let answered = '';
    for await (const text of socket.setEncoding('utf8').iterator({ destroyOnReturn: false })) {
      answered += text;
      if (answered.includes(told) && standsStill.test(answered)) break;
    }
    expect(answered.slice(0, status.length)).toBe(status);
    expect(answered).toContain(told);
    socket.destroy();
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
    expect(doors.runner.jobs).toEqual([]);
  });

  test.each(slowBodies)('waits for a body that is slow but moves: %s %s', async (path, type, body) => {
    const doors = await open({ httpLimits: slowButMoving });
    const headers = { ...aJob, 'content-type': type };
    const request = httpRequest(doors.httpUrl + path, { method: 'POST', headers });
    await trickle(request, body);
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    response.resume();
    expect(response.statusCode).toBe(200);
    expect(doors.runner.jobs.length).toBe(1);
  });

  test('gives up on who does not read its answer', async () => {
    const doors = await open({ httpLimits: { writeTimeoutMs: 50 } });
    doors.runner.onRun = async () => ({ ...answer, body: Buffer.alloc(16 * 1024 * 1024) });
    const socket = connect(doors.httpPort, '127.0.0.1').on('error', () => {});
    cleanups.push(() => socket.destroy());
    const body = JSON.stringify({ url });
    socket.pause();
    socket.write(
      `POST /jobs?sync=true HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    while (doors.told.finishedJobs.length === 0) await new Promise(setImmediate);
    // With this connection still open the door would wait out its grace.
    await doors.http.stop(60_000);
  });

  test('does not listen plain off loopback', async () => {
    await expect(openDoors({ host: '0.0.0.0' })).rejects.toThrow('without TLS');
  });

  test('serves TLS, and takes a renewed certificate without a restart', async () => {
    const { tls, renew } = await certificate('first');
    const doors = await open({ tls });
    const shown = async () => {
      const socket = connectTls({ port: doors.httpPort, host: '127.0.0.1', rejectUnauthorized: false });
      cleanups.push(() => socket.destroy());
      await once(socket, 'secureConnect');
      return socket.getPeerCertificate().subject.CN;
    };
    expect(await shown()).toBe('first');
    await renew('second');
    // A change is taken once it has stood still for one poll.
    await tls.poll();
    await tls.poll();
    expect(await shown()).toBe('second');
  });

  test('a pod that leaves ends each connection with its answer, and lets the calls finish that run', async () => {
    const doors = await open();
    const agent = new Agent({ keepAlive: true });
    cleanups.push(() => agent.destroy());
    const health = async () => {
      const request = httpRequest(`${doors.httpUrl}/health`, { agent }).end();
      const [response] = (await once(request, 'response')) as [IncomingMessage];
      await once(response.resume(), 'end');
      return response.headers.connection;
    };
    expect(await health()).toBe('keep-alive');
    doors.http.leave();
    expect(await health()).toBe('close');
    const release = Promise.withResolvers<void>();
    doors.runner.onRun = async () => {
      await release.promise;
      return answer;
    };
    const running = run(doors);
    while (doors.runner.jobs.length === 0) await new Promise(setImmediate);
    const stopped = doors.http.stop(60_000);
    release.resolve();
    expect((await running).status).toBe(200);
    await stopped;
  });

  test('a drain breaks off what outlives the grace', async () => {
    const doors = await open();
    doors.runner.onRun = () => new Promise(() => {});
    const running = run(doors);
    const broken = expect(running).rejects.toThrow();
    while (doors.runner.jobs.length === 0) await new Promise(setImmediate);
    await doors.http.stop(20);
    await broken;
  });
});

describe('with a certificate', () => {
  const quick = {
    handshakeTimeoutMs: 40,
    askWithinMs: 40,
    headTimeoutMs: 40,
    requestTimeoutMs: 80,
    overdueCheckMs: 10,
  };

  async function openTls(options: DoorsOptions = {}): Promise<Doors> {
    const { tls } = await certificate('door');
    return open({ tls, ...options });
  }

  async function http2(doors: Doors): Promise<ClientHttp2Session> {
    const session = connectHttp2(doors.httpUrl, { rejectUnauthorized: false });
    session.on('error', () => {});
    cleanups.push(() => session.destroy());
    await once(session, 'connect');
    return session;
  }

  async function ask(session: ClientHttp2Session, headers: Record<string, string>, body = '') {
    const stream = session.request(headers, { endStream: body === '' });
    stream.on('error', () => {});
    if (body !== '') stream.end(body);
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const ended = once(stream, 'end');
    const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
    await ended;
    return { status: head[':status'], head, json: text === '' ? {} : JSON.parse(text) };
  }

  const post = { ':method': 'POST', ':path': '/jobs?sync=true', ...aJob };

  test('REST is spoken in HTTP/2 and in HTTP/1.1, as the caller chooses', async () => {
    const doors = await openTls();
    const session = await http2(doors);
    expect(session.alpnProtocol).toBe('h2');
    const job = await ask(session, post, JSON.stringify({ url }));
    expect(job).toMatchObject({ status: 200, json: { message: 'Job completed successfully.' } });
    expect(doors.http.doorway).toMatchObject({ known: 1, strangers: 0 });
    expect(await ask(session, { ':path': '/health' })).toMatchObject({ status: 200, json: { status: 'healthy' } });
    expect(await ask(session, { ':path': '/agents', authorization: 'Bearer wrong' })).toMatchObject({ status: 401 });
    const old = httpsRequest(`${doors.httpUrl}/health`, { rejectUnauthorized: false }).end();
    const [response] = (await once(old, 'response')) as [IncomingMessage];
    expect([response.statusCode, response.httpVersion]).toEqual([200, '1.1']);
    response.resume();
  });

  test.each(protocols)('%s is spoken in both', async (protocol) => {
    const doors = await openTls();
    doors.runner.onStream = async function* () {
      yield { type: 'body', bytes: Buffer.from('piece') };
    };
    for (const httpVersion of ['1.1', '2'] as const) {
      const client = connectClient(JobService, doors.httpUrl, protocol, { httpVersion });
      expect((await client.runJob({ request: { url } })).response?.statusCode).toBe(200);
      const pieces = [];
      for await (const { event } of client.streamJob({ request: { url } })) pieces.push(event.case);
      expect(pieces).toEqual(['body']);
      expect((await connectFailure(client.runJob({}))).info?.reason).toBe('INVALID_REQUEST');
    }
  });

  test('a stream that its caller resets aborts its job, and the connection stays', async () => {
    const doors = await openTls();
    const signals: AbortSignal[] = [];
    doors.runner.onRun = (_job, signal) => {
      signals.push(signal);
      return new Promise(() => {});
    };
    const session = await http2(doors);
    for (const [i, path] of ['/jobs?sync=true', '/resproxy.v1.JobService/RunJob'].entries()) {
      const stream = session.request({ ...post, ':path': path }).on('error', () => {});
      stream.end(JSON.stringify(path.startsWith('/jobs') ? { url } : { request: { url } }));
      while (signals.length === i) await new Promise(setImmediate);
      stream.close(constants.NGHTTP2_CANCEL);
      while (!signals[i]?.aborted) await new Promise(setImmediate);
      expect((await ask(session, { ':path': '/health' })).status).toBe(200);
    }
  });

  test.each([
    ['resets its stream', (socket: TLSSocket) => socket.write(frame(3, 0, Buffer.from([0, 0, 0, 8])))],
    ['goes away', (socket: TLSSocket) => socket.destroy()],
  ])('half a message is no message, when its caller %s', async (_name, breakOff) => {
    const doors = await openTls();
    const socket = connectTls({ port: doors.httpPort, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    cleanups.push(() => socket.destroy());
    const path = '/resproxy.v1.JobService/RunJob';
    const head = {
      ':scheme': 'https',
      ':authority': 'localhost',
      ...post,
      ':path': path,
      'content-type': 'application/proto',
    };
    // It reads as a whole request, but more was to come.
    const half = Buffer.concat([Buffer.from([10, 2 + url.length, 10, url.length]), Buffer.from(url)]);
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    socket.write(Buffer.concat([frame(4, 0, Buffer.alloc(0), 0), frame(1, 4, literals(head)), frame(0, 0, half)]));
    while (doors.admission.inFlight === 0) await new Promise(setImmediate);
    breakOff(socket);
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
    await new Promise(setImmediate);
    expect(doors.runner.jobs).toEqual([]);
  });

  test('a stream is asked for no more than its caller reads, and given up when it reads nothing', async () => {
    const doors = await openTls({ httpLimits: { writeTimeoutMs: 50 } });
    const bytes = Buffer.alloc(32 * 1024);
    let pieces = 0;
    doors.runner.onStream = async function* (_job, signal) {
      while (!signal.aborted) {
        pieces++;
        yield { type: 'body', bytes };
        await new Promise(setImmediate);
      }
    };
    const session = await http2(doors);
    const job = Buffer.from(JSON.stringify({ request: { url } }));
    const path = { ':path': '/resproxy.v1.JobService/StreamJob', 'content-type': 'application/connect+json' };
    const stream = session.request({ ...post, ...path }).on('error', () => {});
    stream.end(Buffer.concat([Buffer.from([0, 0, 0, 0, job.length]), job]));
    await once(stream, 'response');
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
    // The windows of HTTP/2 and the buffers of both ends.
    expect(pieces).toBeLessThan(100);
    expect((await ask(session, { ':path': '/health' })).status).toBe(200);
  });

  test.each(['/resproxy.v1.JobService/RunJob', '/jobs?sync=true', '/health', '/nothing'])(
    'a call that is reset by the write that brings it holds nothing: %s',
    async (path) => {
      const doors = await openTls();
      const socket = connectTls({ port: doors.httpPort, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
      cleanups.push(() => socket.destroy());
      const head = literals({ ':scheme': 'https', ':authority': 'localhost', ...post, ':path': path });
      const body = Buffer.from(
        path.startsWith('/jobs') ? JSON.stringify({ url }) : JSON.stringify({ request: { url } }),
      );
      const reset = frame(3, 0, Buffer.from([0, 0, 0, 8]));
      const ping = frame(6, 0, Buffer.alloc(8), 0);
      socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
      socket.write(Buffer.concat([frame(4, 0, Buffer.alloc(0), 0), frame(1, 4, head), frame(0, 1, body), reset, ping]));
      // The answer to the ping: what came before it has been taken.
      let taken = Buffer.alloc(0);
      for await (const bytes of socket.iterator({ destroyOnReturn: false })) {
        taken = Buffer.concat([taken, bytes]);
        if (taken.includes(frame(6, 1, Buffer.alloc(8), 0))) break;
      }
      while (doors.admission.inFlight > 0) await new Promise(setImmediate);
      const session = await http2(doors);
      expect((await ask(session, { ':path': '/health' })).status).toBe(200);
    },
  );

  test.each([
    ['/jobs?sync=true', 'application/json', 408, 'INVALID_REQUEST'],
    ['/resproxy.v1.JobService/RunJob', 'application/json', 400, 'INVALID_REQUEST'],
    ['/resproxy.v1.JobService/RunJob', 'application/grpc-web+proto', 200, 'grpc-status: 3'],
  ])('tells a caller whose body stands still so, and keeps its connection: %s %s', async (path, type, status, told) => {
    const doors = await openTls({ httpLimits: { bodyIdleMs: 100 } });
    const session = await http2(doors);
    const stream = session.request({ ...post, ':path': path, 'content-type': type });
    stream.write('\0');
    let text = '';
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    const closed = once(stream, 'close');
    const [head] = (await once(stream, 'response')) as [Record<string, unknown>];
    // Its caller never ends it: the place of the call was held for as long as a request may take.
    await closed;
    expect(head[':status']).toBe(status);
    expect(text).toContain(told);
    expect(text).toMatch(standsStill);
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
    expect(doors.runner.jobs).toEqual([]);
    expect((await ask(session, { ':path': '/health' })).status).toBe(200);
  });

  test.each(slowBodies)('waits for a body that is slow but moves: %s %s', async (path, type, body) => {
    const doors = await openTls({ httpLimits: slowButMoving });
    const session = await http2(doors);
    const stream = session.request({ ...post, ':path': path, 'content-type': type });
    await trickle(stream, body);
    const [head] = (await once(stream.resume(), 'response')) as [Record<string, unknown>];
    expect(head[':status']).toBe(200);
    expect(doors.runner.jobs.length).toBe(1);
  });

  test.each([
    ['nothing, not even a handshake', undefined],
    ['nothing in HTTP/2', ''],
    ['half a preface', 'PRI * HTTP'],
    ['a preface and no request', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0'],
  ])('cuts who sends %s', async (_name, bytes) => {
    const doors = await openTls({ httpLimits: quick });
    const port = doors.httpPort;
    const socket =
      bytes === undefined
        ? connect(port, '127.0.0.1')
        : connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2'] });
    cleanups.push(() => socket.destroy());
    socket.on('error', () => {});
    if (bytes) socket.write(bytes);
    await once(socket.resume(), 'close');
  });

  test('cuts a request whose body does not come, and a connection that is idle', async () => {
    const doors = await openTls({
      httpLimits: { ...quick, askWithinMs: 400, headTimeoutMs: 400, requestTimeoutMs: 400, idleTimeoutMs: 60 },
    });
    const session = await http2(doors);
    const stream = session.request(post).on('error', () => {});
    stream.write('{');
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
    await once(session, 'close');
    while (doors.admission.inFlight > 0) await new Promise(setImmediate);
  });

  test('a drain says GOAWAY and lets the calls finish that run', async () => {
    const doors = await openTls();
    const release = Promise.withResolvers<void>();
    doors.runner.onRun = async () => {
      await release.promise;
      return answer;
    };
    const session = await http2(doors);
    const running = ask(session, post, JSON.stringify({ url }));
    while (doors.runner.jobs.length === 0) await new Promise(setImmediate);
    const goaway = once(session, 'goaway');
    const stopped = doors.http.stop(60_000);
    await goaway;
    release.resolve();
    expect((await running).status).toBe(200);
    await stopped;
  });

  test('a drain breaks off what outlives the grace', async () => {
    const doors = await openTls();
    doors.runner.onRun = () => new Promise(() => {});
    const session = await http2(doors);
    session
      .request(post)
      .on('error', () => {})
      .end(JSON.stringify({ url }));
    while (doors.runner.jobs.length === 0) await new Promise(setImmediate);
    await doors.http.stop(20);
  });
});

/** A frame of HTTP/2 (RFC 9113 4.1). */
function frame(type: number, flags: number, payload: Buffer, stream = 1): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Header fields, none of them indexed (RFC 7541 6.2.2). */
function literals(headers: Readonly<Record<string, string>>): Buffer {
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  return Buffer.concat(Object.entries(headers).flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}
