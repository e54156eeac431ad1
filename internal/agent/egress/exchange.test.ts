import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import { createServer, Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { selfSigned } from '../../kit/self-signed.ts';
import type { RequestBody } from './egress-api.ts';
import { type Asked, ask, begin, onBody, Rig, streamed, whole } from './rig.ts';

const { NOT_STARTED, POSSIBLE, DONE } = Execution;
const rig = new Rig();
afterEach(() => rig.close());

/** Says back method, target, raw headers and body. */
function echo() {
  return rig.http((message, response) =>
    onBody(message, (bytes) => {
      const { method, url, rawHeaders } = message;
      response.end(JSON.stringify({ method, url, rawHeaders, body: bytes.toString('base64') }));
    }),
  );
}

interface Echo {
  method: string;
  url: string;
  rawHeaders: string[];
  body: string;
}

describe('what reaches the origin', () => {
  async function sent(asked: Asked, body?: RequestBody): Promise<Echo> {
    const origin = await echo();
    const answer = await ask(rig.egress(), { ...asked, url: origin.url + asked.url }, body);
    return JSON.parse(answer.body.toString()) as Echo;
  }

  test('path and query, byte for byte', async () => {
    const path = '/a/../b/./%7Euser//x;p=1?q={"a":[1]}&r=%2f|^`?';
    expect((await sent({ url: `${path}#fragment` })).url).toBe(path);
    expect((await sent({ url: '?only=query' })).url).toBe('/?only=query');
    expect((await sent({ url: '' })).url).toBe('/');
  });

  test('headers in order, case and repetition, with ours around them', async () => {
    const headers = [
      ['X-One', '1'],
      ['accept', '*/*'],
      ['x-one', '2'],
      ['Cookie', 'a=1'],
      ['cookie', 'b=2'],
      ['X-Latin', 'caf\u00e9'],
    ].map(([name = '', value = '']) => ({ name, value }));
    const { rawHeaders } = await sent({ url: '/', headers });
    expect(rawHeaders.slice(4)).toEqual(headers.flatMap(({ name, value }) => [name, value]));
    expect(rawHeaders.slice(0, 4)).toEqual([
      'host',
      expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      'connection',
      'keep-alive',
    ]);
  });

  test("the caller's own Host goes out once", async () => {
    const origin = await echo();
    const headers = [{ name: 'HOST', value: `127.0.0.1:${origin.port}` }];
    const answer = await ask(rig.egress(), { url: origin.url, headers });
    const { rawHeaders } = JSON.parse(answer.body.toString()) as Echo;
    expect(rawHeaders.filter((text) => text.toLowerCase() === 'host')).toEqual(['host']);
  });

  test.each(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND'])(
    'the method %s',
    async (method) => {
      const origin = await rig.http((message, response) => response.setHeader('x-method', message.method ?? '').end());
      const { headers } = await ask(rig.egress(), { url: origin.url, method });
      expect(headers).toContainEqual({ name: 'x-method', value: method });
    },
  );

  test.each([
    ['GET', undefined],
    ['DELETE', undefined],
    ['POST', '0'],
    ['PUT', '0'],
    ['PATCH', '0'],
  ])('an empty %s announces a length of %s', async (method, length) => {
    const { rawHeaders } = await sent({ url: '/', method });
    const at = rawHeaders.indexOf('content-length');
    expect(at === -1 ? undefined : rawHeaders[at + 1]).toBe(length);
  });

  test('a binary body, whole, in parts, and in parts of a known length', async () => {
    const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, i) => i % 251));
    const parts = [bytes.subarray(0, 9), bytes.subarray(9, 40_000), bytes.subarray(40_000)];
    const known = { url: '/', method: 'POST' };
    const inOne = await sent(known, whole(bytes));
    expect(inOne.body).toBe(bytes.toString('base64'));
    expect(inOne.rawHeaders).toContain('70000');
    const inParts = await sent(known, streamed(parts));
    expect(inParts.body).toBe(bytes.toString('base64'));
    expect(inParts.rawHeaders).toContain('transfer-encoding');
    const announced = await sent(known, streamed(parts, bytes.length));
    expect(announced.body).toBe(bytes.toString('base64'));
    expect(announced.rawHeaders).toContain('70000');
    expect(announced.rawHeaders).not.toContain('transfer-encoding');
  });

  test('a body also with GET, DELETE and a method of its own', async () => {
    for (const method of ['GET', 'DELETE', 'SEARCH'])
      expect((await sent({ url: '/', method }, whole('x'))).body).toBe(Buffer.from('x').toString('base64'));
  });
});

describe('what comes back', () => {
  test('headers in order, case and repetition, as latin-1', async () => {
    const head =
      'HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nX-B: caf\xe9\r\nset-cookie: b=2\r\nX-Empty:\r\nContent-Length: 0\r\n\r\n';
    const origin = await rig.raw((socket) => socket.write(head, 'latin1'));
    const { headers } = await ask(rig.egress(), { url: origin.url });
    expect(headers).toEqual([
      { name: 'Set-Cookie', value: 'a=1' },
      { name: 'X-B', value: 'caf\u00e9' },
      { name: 'set-cookie', value: 'b=2' },
      { name: 'X-Empty', value: '' },
      { name: 'Content-Length', value: '0' },
    ]);
  });

  test('a small answer in one tick: head, data, end', async () => {
    const origin = await rig.raw((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'));
    const { sink } = begin(rig.egress(), { url: `${origin.url}/x#f` });
    await sink.headCame;
    expect(sink.calls).toEqual(['head', 'data', 'end']);
    expect(sink.head_).toMatchObject({ statusCode: 200, finalUrl: `${origin.url}/x` });
  });

  test('timings of the dial with the first request, and none of it with the next', async () => {
    const origin = await rig.http((_message, response) => response.end('x'));
    const egress = rig.egress();
    const first = await ask(egress, { url: origin.url });
    expect(first.head?.timings.connectUs).toBeGreaterThan(0);
    expect(first.head?.timings.firstByteUs).toBeGreaterThan(0);
    const second = await ask(egress, { url: origin.url });
    expect(second.head?.timings).toMatchObject({ dnsUs: 0, connectUs: 0, tlsUs: 0 });
    expect(origin.connections()).toBe(1);
  });

  test("an origin's own errors are answers", async () => {
    const origin = await rig.http((_message, response) => response.writeHead(503).end('busy'));
    expect(await ask(rig.egress(), { url: origin.url })).toMatchObject({ status: 503, failure: undefined });
  });

  test('what comes before the final head is ignored', async () => {
    const text = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\ny';
    const origin = await rig.raw((socket) => socket.write(text));
    const answer = await ask(rig.egress(), { url: origin.url });
    expect(answer).toMatchObject({ status: 200, calls: ['head', 'data', 'end'] });
  });

  test('a 100 that nobody asked for is where undici gives up', async () => {
    const origin = await rig.raw((socket) =>
      socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'),
    );
    const { failure } = await ask(rig.egress(), { url: origin.url });
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: POSSIBLE });
  });

  test('a body without a length, that ends with its connection', async () => {
    const origin = await rig.raw((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nall of it'));
    expect((await ask(rig.egress(), { url: origin.url })).body.toString()).toBe('all of it');
  });

  test('a body over TLS', async () => {
    const pem = selfSigned('origin');
    const server = createHttpsServer(pem, (_message, response) => response.end('secret'));
    const origin = await rig.listen(server, 'https');
    const answer = await ask(rig.egress({}, { ca: pem.cert }), { url: origin.url });
    expect(answer.body.toString()).toBe('secret');
    expect(answer.head?.timings.tlsUs).toBeGreaterThan(0);
  });

  test('no more than the sink takes, and the rest when it takes again', async () => {
    const bytes = Buffer.alloc(8 * 1024 * 1024, 'x');
    const origin = await rig.http((_message, response) => response.end(bytes));
    const { exchange, sink } = begin(rig.egress(), { url: origin.url });
    sink.taking = false;
    await sink.headCame;
    for (let i = 0; i < 20; i++) await settle();
    expect(sink.body.length).toBeLessThan(1024 * 1024);
    sink.taking = true;
    exchange.resume();
    await sink.over;
    expect(sink.body.equals(bytes)).toBe(true);
  });
});

describe('refused before anything is sent', () => {
  test.each([
    [{ url: 'ftp://a.test/' }, FailureCode.INVALID_REQUEST],
    [{ url: 'http://a.test/', method: 'CONNECT' }, FailureCode.INVALID_REQUEST],
    [{ url: 'http://a.test/', headers: [{ name: 'Host', value: 'b.test' }] }, FailureCode.INVALID_REQUEST],
    [{ url: 'http://a.test/', headers: [{ name: 'x', value: 'a\r\nb: c' }] }, FailureCode.INVALID_REQUEST],
    [{ url: `http://a.test/${'a'.repeat(9000)}` }, FailureCode.REQUEST_TOO_LARGE],
    [{ url: 'http://127.0.0.1:1/' }, FailureCode.DESTINATION_IP_PROHIBITED],
    [{ url: 'http://8.8.8.8:25/' }, FailureCode.EXIT_REFUSED],
  ])('%j', async (asked, code) => {
    const { failure, calls } = await ask(rig.egress(), asked);
    expect(failure).toMatchObject({ code, execution: NOT_STARTED });
    expect(calls).toEqual(['fail']);
  });

  test('the sink hears nothing before run() returns, and nothing at all after an abort', async () => {
    for (const url of ['ftp://a.test/', 'http://127.0.0.1:1/']) {
      const { exchange, sink } = begin(rig.egress(), { url });
      expect(sink.calls).toEqual([]);
      exchange.abort();
      await settle();
      expect(sink.calls).toEqual([]);
    }
  });
});

describe('how it breaks', () => {
  const failing = async (onRequest: Parameters<Rig['raw']>[0], method = 'POST') => {
    const origin = await rig.raw(onRequest);
    const answer = await ask(rig.egress(), { url: origin.url, method });
    return { ...answer, connections: origin.connections() };
  };

  test('nobody listens: not started', async () => {
    const { url } = await rig.gone();
    expect((await ask(rig.egress(), { url, method: 'POST' })).failure).toMatchObject({
      code: FailureCode.CONNECT_REFUSED,
      execution: NOT_STARTED,
    });
  });

  test('a certificate that nobody vouches for: not started, and the origin saw no request', async () => {
    let requests = 0;
    const server = createHttpsServer(selfSigned('origin'), () => requests++);
    const { url } = await rig.listen(server, 'https');
    expect((await ask(rig.egress(), { url, method: 'POST' }, whole('x'))).failure).toMatchObject({
      code: FailureCode.TLS_CERTIFICATE_INVALID,
      execution: NOT_STARTED,
    });
    expect(requests).toBe(0);
  });

  test('closed before the head: possible', async () => {
    const { failure } = await failing((socket) => socket.destroy());
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: POSSIBLE });
  });

  test('closed within the head: possible', async () => {
    const { failure } = await failing((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-'));
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: POSSIBLE });
  });

  test.each(['not HTTP at all\r\n\r\n', 'HTTP/1.1 200 OK\r\nBad\0Name: x\r\n\r\n', 'HTTP/1.1 abc\r\n\r\n'])(
    'a malformed head: %j',
    async (text) => {
      const { failure, calls } = await failing((socket) => socket.write(text));
      expect(failure).toMatchObject({ code: FailureCode.RESPONSE_INCOMPLETE, execution: POSSIBLE });
      expect(calls).toEqual(['fail']);
    },
  );

  test.each([
    'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n',
    'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 9\r\n\r\nshort',
    'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n',
  ])('a body cut short: %j', async (text) => {
    const { failure, calls, body } = await failing((socket) => socket.end(text));
    expect(failure).toMatchObject({ code: FailureCode.RESPONSE_INCOMPLETE, execution: POSSIBLE });
    expect(calls).toEqual(['head', 'data', 'fail']);
    expect(body.toString()).toBe('short');
  });

  test('a head that is too large, or has too many fields: done', async () => {
    const big = `X: ${'a'.repeat(70_000)}\r\n`;
    const many = 'X: 1\r\n'.repeat(257);
    for (const fields of [big, many]) {
      const { failure, calls } = await failing((socket) => socket.write(`HTTP/1.1 200 OK\r\n${fields}\r\n`));
      expect(failure).toMatchObject({ code: FailureCode.RESPONSE_TOO_LARGE, execution: DONE });
      expect(calls).toEqual(['fail']);
    }
  });

  test('a sink that throws ends the exchange as a fault of ours', async () => {
    const origin = await rig.http((_message, response) => response.end('x'));
    const { sink } = begin(rig.egress(), { url: origin.url });
    sink.data = () => {
      throw new TypeError('sink');
    };
    await sink.over;
    expect(sink.failure).toMatchObject({ code: FailureCode.INTERNAL, execution: DONE });
  });
});

describe('the size of the answer', () => {
  const sized = async (head: string, maxResponseBytes: number, method = 'GET') => {
    const origin = await rig.raw((socket) => socket.write(`HTTP/1.1 ${head}`));
    return ask(rig.egress(), { url: origin.url, maxResponseBytes, method });
  };
  const tooLarge = { code: FailureCode.RESPONSE_TOO_LARGE, execution: DONE };

  test('is judged by what it announces, before a byte of it is read', async () => {
    const answer = await sized('200 OK\r\nContent-Length: 11\r\n\r\n', 10);
    expect(answer).toMatchObject({ failure: tooLarge, calls: ['fail'] });
  });

  test('is judged as it comes when it announces nothing', async () => {
    const answer = await sized('200 OK\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n', 10);
    expect(answer).toMatchObject({ failure: tooLarge, calls: ['head', 'fail'] });
  });

  test('may be exactly the bound', async () => {
    const answer = await sized('200 OK\r\nContent-Length: 10\r\n\r\n0123456789', 10);
    expect(answer).toMatchObject({ failure: undefined, calls: ['head', 'data', 'end'] });
  });

  test('does not count where there is no body', async () => {
    expect(await sized('200 OK\r\nContent-Length: 11\r\n\r\n', 10, 'HEAD')).toMatchObject({
      status: 200,
      failure: undefined,
    });
    expect(await sized('304 Not Modified\r\nContent-Length: 11\r\n\r\n', 10)).toMatchObject({
      status: 304,
      failure: undefined,
    });
  });
});

describe('the deadline', () => {
  test('before the dial is done: not started', async () => {
    const clock = new ManualClock();
    const resolve = () => new Promise<never>(() => {});
    const egress = rig.egress({ clock }, { resolve, timeoutMs: 60_000 });
    const { sink } = begin(egress, { url: 'http://a.test/', deadlineMs: 1_000 });
    await clock.advance(1_000);
    expect(sink.failure).toMatchObject({ code: FailureCode.DEADLINE_EXCEEDED, execution: NOT_STARTED });
    await settle();
    expect(clock.pending).toBe(0);
    expect(egress.running).toBe(0);
  });

  test('after the request left: possible, and the origin sees the connection close', async () => {
    const clock = new ManualClock();
    let closed: Promise<unknown> | undefined;
    const arrived = Promise.withResolvers<void>();
    const origin = await rig.raw((socket) => {
      closed = once(socket, 'close');
      arrived.resolve();
    });
    const { sink } = begin(rig.egress({ clock }), { url: origin.url, deadlineMs: 1_000 });
    await arrived.promise;
    await clock.advance(1_000);
    expect(sink.failure).toMatchObject({ code: FailureCode.DEADLINE_EXCEEDED, execution: POSSIBLE });
    await closed;
  });

  test('after the head: done', async () => {
    const clock = new ManualClock();
    const origin = await rig.raw((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'));
    const { sink } = begin(rig.egress({ clock }), { url: origin.url, deadlineMs: 1_000 });
    await sink.headCame;
    await clock.advance(1_000);
    expect(sink.failure).toMatchObject({ code: FailureCode.DEADLINE_EXCEEDED, execution: DONE });
    expect(sink.calls).toEqual(['head', 'fail']);
  });

  test('at any moment is told as not started only if no byte reached the origin', async () => {
    const told = new Set<Execution>();
    for (let steps = 0; steps < 12; steps++) {
      let bytes = 0;
      const server = createServer((socket) => socket.on('data', (part) => (bytes += part.length)));
      const clock = new ManualClock();
      const { url } = await rig.listen(server);
      const { sink } = begin(rig.egress({ clock }), { url, method: 'POST', deadlineMs: 1 }, whole('body'));
      for (let i = 0; i < steps; i++) await settle();
      await clock.advance(1);
      for (let i = 0; i < 5; i++) await settle();
      const execution = sink.failure?.execution ?? Execution.UNSPECIFIED;
      told.add(execution);
      if (execution === NOT_STARTED) expect(bytes).toBe(0);
    }
    expect(told).toEqual(new Set([NOT_STARTED, POSSIBLE]));
  });

  test('leaves no timer behind when the answer was in time', async () => {
    const clock = new ManualClock();
    const origin = await rig.http((_message, response) => response.end('x'));
    await ask(rig.egress({ clock }), { url: origin.url });
    expect(clock.pending).toBe(0);
  });
});

describe('an abort', () => {
  test('while the request is out closes the connection and says nothing', async () => {
    const arrived = Promise.withResolvers<void>();
    let closed: Promise<unknown> | undefined;
    const origin = await rig.raw((socket) => {
      closed = once(socket, 'close');
      arrived.resolve();
    });
    const egress = rig.egress();
    const { exchange, sink } = begin(egress, { url: origin.url });
    await arrived.promise;
    exchange.abort();
    exchange.abort();
    await closed;
    expect(sink.calls).toEqual([]);
    expect(egress.running).toBe(0);
  });

  test('in the middle of a body stops it', async () => {
    const origin = await rig.raw((socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome'));
    const { exchange, sink } = begin(rig.egress(), { url: origin.url });
    await sink.headCame;
    exchange.abort();
    exchange.resume();
    await settle();
    expect(sink.calls).toEqual(['head', 'data']);
  });

  test('out of the sink itself, at the head, hands over nothing more', async () => {
    const origin = await rig.http((_message, response) => response.end('body'));
    const { exchange, sink } = begin(rig.egress(), { url: origin.url });
    const head = sink.head.bind(sink);
    sink.head = (answer) => {
      head(answer);
      exchange.abort();
    };
    await sink.headCame;
    await settle();
    expect(sink.calls).toEqual(['head']);
  });

  test('while the dial is under way ends the dial', async () => {
    const socket = new Socket();
    const egress = rig.egress({}, { dial: () => socket });
    const { exchange, sink } = begin(egress, { url: 'http://8.8.8.8/' });
    while (socket.listenerCount('connect') === 0) await settle();
    exchange.abort();
    expect(socket.destroyed).toBe(true);
    await settle();
    expect(sink.calls).toEqual([]);
    expect(egress.lanes.size.lanes).toBe(0);
  });
});

describe('the request body', () => {
  test('that breaks off breaks the request off', async () => {
    const origin = await rig.http(() => {});
    const body = { first: Buffer.from('some'), end: false, read: () => Promise.reject(new Error('gone')) };
    const { failure } = await ask(rig.egress(), { url: origin.url, method: 'POST' }, body);
    expect(failure).toMatchObject({ code: FailureCode.CANCELLED, execution: POSSIBLE });
  });

  test('that is not the announced length breaks the request off', async () => {
    const origin = await rig.http(() => {});
    const { failure } = await ask(rig.egress(), { url: origin.url, method: 'POST' }, streamed(['abc', 'def'], 4));
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: POSSIBLE });
  });

  test('is not waited for when the origin has answered already', async () => {
    const origin = await rig.http((_message, response) => response.writeHead(413).end('no'));
    const body = { first: Buffer.from('some'), end: false, read: () => new Promise<never>(() => {}) };
    const answer = await ask(rig.egress(), { url: origin.url, method: 'POST' }, body);
    expect(answer).toMatchObject({ status: 413, failure: undefined });
  });
});

test('close() fails what still runs, truthfully, and closes every connection', async () => {
  const arrived = Promise.withResolvers<void>();
  const origin = await rig.raw(() => arrived.resolve());
  const egress = rig.egress({}, { resolve: () => new Promise<never>(() => {}) });
  const sent = begin(egress, { url: origin.url }).sink;
  const dialling = begin(egress, { url: 'http://a.test/' }).sink;
  await arrived.promise;
  await egress.close();
  expect(sent.failure).toMatchObject({ code: FailureCode.AGENT_LOST, execution: POSSIBLE });
  expect(dialling.failure).toMatchObject({ code: FailureCode.AGENT_DISCONNECTED, execution: NOT_STARTED });
  expect(egress.lanes.size).toEqual({ lanes: 0, idle: 0, pools: 2 });
});
