import type { RequestListener } from 'node:http';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { systemClock } from '../../kit/clock.ts';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { ask, begin, onBody, Rig, streamed, whole } from './rig.ts';

const rig = new Rig();
afterEach(() => rig.close());

interface Hit {
  readonly method: string;
  readonly url: string;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}

/** An origin that writes down what reaches it. `/to?STATUS&LOCATION` redirects there, the rest answers with `done`. */
async function origin() {
  const hits: Hit[] = [];
  const listener: RequestListener = (message, response) =>
    onBody(message, (body) => {
      const { method = '', url = '', headers } = message;
      hits.push({ method, url, headers, body: body.toString() });
      const [, status, location = ''] = /^\/to\?(\d+)&(.*)/.exec(url) ?? [];
      if (status) response.writeHead(Number(status), { location }).end('moved');
      else response.end('done');
    });
  return { hits, ...(await rig.http(listener)) };
}

describe('a redirect', () => {
  test('is followed over hops on one connection, and the last answer is handed over with its URL', async () => {
    const { url, hits, connections } = await origin();
    const answer = await ask(rig.egress(), { url: `${url}/to?302&/to?307&/end#top`, maxRedirects: 10 });
    expect(answer).toMatchObject({ status: 200, calls: ['head', 'data', 'end'] });
    expect(answer.head?.finalUrl).toBe(`${url}/end`);
    expect(hits.map((hit) => hit.url)).toEqual(['/to?302&/to?307&/end', '/to?307&/end', '/end']);
    expect(connections()).toBe(1);
  });

  test('is handed over when following is off', async () => {
    const { url, hits } = await origin();
    const answer = await ask(rig.egress(), { url: `${url}/to?302&/end` });
    expect(answer.status).toBe(302);
    expect(answer.body.toString()).toBe('moved');
    expect(hits).toHaveLength(1);
  });

  test('that cannot be followed is handed over', async () => {
    const { url } = await origin();
    const answer = await ask(rig.egress(), { url: `${url}/to?302&ftp://a.test/`, maxRedirects: 10 });
    expect(answer).toMatchObject({ status: 302, failure: undefined });
  });

  test('once more than allowed fails, and an origin did answer', async () => {
    const { url, hits } = await origin();
    let asked = 0;
    const loop = await rig.http((_message, response) => {
      asked++;
      response.writeHead(302, { location: '/again' }).end();
    });
    expect((await ask(rig.egress(), { url: loop.url, maxRedirects: 3 })).failure).toMatchObject({
      code: FailureCode.REDIRECT_LIMIT,
      execution: Execution.DONE,
    });
    expect(asked).toBe(4);
    expect((await ask(rig.egress(), { url: `${url}/to?302&/end`, maxRedirects: 1 })).status).toBe(200);
    expect(hits).toHaveLength(2);
  });

  test('to another origin takes no credentials there', async () => {
    const there = await origin();
    const here = await origin();
    const headers = [
      { name: 'Authorization', value: 'Bearer t' },
      { name: 'Cookie', value: 'a=1' },
      { name: 'x-kept', value: '1' },
      { name: 'Host', value: `127.0.0.1:${here.port}` },
    ];
    const answer = await ask(rig.egress(), { url: `${here.url}/to?302&${there.url}/end`, maxRedirects: 10, headers });
    expect(answer.status).toBe(200);
    expect(here.hits[0]?.headers).toMatchObject({ authorization: 'Bearer t', cookie: 'a=1' });
    const sent = there.hits[0]?.headers;
    expect(sent).toMatchObject({ 'x-kept': '1', host: `127.0.0.1:${there.port}` });
    expect(sent).not.toHaveProperty('authorization');
    expect(sent).not.toHaveProperty('cookie');
  });
});

describe('the body at a redirect', () => {
  const content = [{ name: 'content-type', value: 'text/plain' }];

  test.each([301, 302, 303])('of a POST stays behind at %i', async (status) => {
    const { url, hits } = await origin();
    const asked = { url: `${url}/to?${status}&/end`, method: 'POST', maxRedirects: 10, headers: content };
    await ask(rig.egress(), asked, whole('text'));
    expect(hits.map(({ method, body }) => [method, body])).toEqual([
      ['POST', 'text'],
      ['GET', ''],
    ]);
    expect(hits[1]?.headers).not.toHaveProperty('content-type');
    expect(hits[1]?.headers).not.toHaveProperty('content-length');
  });

  test.each([
    ['whole', () => whole('one two three')],
    ['in parts', () => streamed(['one ', 'two ', 'three'])],
    ['in parts of a known length', () => streamed(['one ', 'two ', 'three'], 13)],
  ])('%s goes along at 307 and 308', async (_how, body) => {
    const { url, hits } = await origin();
    const asked = { url: `${url}/to?307&/to?308&/end`, method: 'POST', maxRedirects: 10, headers: content };
    const answer = await ask(rig.egress(), asked, body());
    expect(answer.status).toBe(200);
    expect(hits.map((hit) => hit.method)).toEqual(['POST', 'POST', 'POST']);
    expect(hits.map((hit) => hit.body)).toEqual(Array(3).fill('one two three'));
    expect(hits.map((hit) => hit.headers['content-type'])).toEqual(Array(3).fill('text/plain'));
  });

  test('that is not kept has the redirect handed over', async () => {
    const { url } = await origin();
    const egress = rig.egress({ replayBytes: 4 });
    const asked = { url: `${url}/to?307&/end`, method: 'POST', maxRedirects: 10 };
    expect(await ask(egress, asked, streamed(['more than', ' four']))).toMatchObject({
      status: 307,
      failure: undefined,
    });
  });
});

test('what a job kept of its body is given back at its end', async () => {
  const { url, hits } = await origin();
  const egress = rig.egress({ replayBytes: 12 });
  const asked = { url: `${url}/to?307&/end`, method: 'POST', maxRedirects: 10 };
  const left = { ...asked, url: `${url}/to?303&/end` };
  for (let i = 0; i < 3; i++) {
    expect((await ask(egress, asked, streamed(['just ', 'fits in']))).status).toBe(200);
    expect((await ask(egress, left, streamed(['just ', 'fits in']))).status).toBe(200);
  }
  expect(hits).toHaveLength(12);
});

describe('a hop that fails', () => {
  test('into the LAN is refused by the guard, and no longer counts as not started', async () => {
    const { url } = await origin();
    const lan = await rig.raw(() => {});
    const egress = rig.egress();
    for (const inside of ['http://192.168.0.1/', 'http://[::1]/', 'http://169.254.169.254/', 'http://localhost/']) {
      const asked = { url: `${url}/to?302&${inside}`, method: 'POST', maxRedirects: 10 };
      expect((await ask(egress, asked)).failure).toMatchObject({
        code: FailureCode.DESTINATION_IP_PROHIBITED,
        execution: Execution.POSSIBLE,
      });
    }
    expect(lan.connections()).toBe(0);
  });

  test('because nobody listens there is possible, not not-started', async () => {
    const { url } = await origin();
    const gone = await rig.gone();
    const asked = { url: `${url}/to?307&${gone.url}/`, method: 'POST', maxRedirects: 10 };
    expect((await ask(rig.egress(), asked, whole('x'))).failure).toMatchObject({
      code: FailureCode.CONNECT_REFUSED,
      execution: Execution.POSSIBLE,
    });
  });
});

describe("a redirect's own body", () => {
  const to = (location: string) => `HTTP/1.1 302 Found\r\nLocation: ${location}\r\n`;

  test('that is large costs the connection and not the job', async () => {
    const there = await origin();
    const large = await rig.raw((socket) => {
      socket.write(`${to(`${there.url}/end`)}Content-Length: 99999999\r\n\r\n`);
      socket.write('x'.repeat(200_000));
    });
    // On a clock that stands still the size alone must do.
    const egress = rig.egress({ clock: new ManualClock() });
    expect((await ask(egress, { url: large.url, maxRedirects: 1 })).status).toBe(200);
    expect(egress.lanes.size).toMatchObject({ lanes: 1, idle: 1 });
  });

  /** Runs into a redirect whose body does not come, and stops when the exchange waits for it. */
  async function waiting(location: string) {
    const clock = new ManualClock();
    const slow = await rig.raw((socket) => socket.write(`${to(location)}Content-Length: 9\r\n\r\n`));
    // The connector's own timer would be counted otherwise.
    const egress = rig.egress({ clock }, { clock: systemClock });
    const begun = begin(egress, { url: slow.url, maxRedirects: 1 });
    while (clock.pending < 2) await settle();
    return { clock, slow, ...begun };
  }

  test('that does not come is waited for a moment only', async () => {
    const there = await origin();
    const { clock, sink } = await waiting(`${there.url}/end`);
    expect(there.hits).toHaveLength(0);
    await clock.advance(250);
    await sink.over;
    expect(sink.head_?.statusCode).toBe(200);
    expect(clock.pending).toBe(0);
  });

  test('that breaks off does not matter', async () => {
    const there = await origin();
    const broken = await rig.raw((socket) => socket.end(`${to(`${there.url}/end`)}Content-Length: 9\r\n\r\nx`));
    expect((await ask(rig.egress(), { url: broken.url, maxRedirects: 1 })).status).toBe(200);
  });

  test('is not read on after an abort', async () => {
    const { clock, sink, slow, exchange } = await waiting('/end');
    exchange.abort();
    expect(clock.pending).toBe(0);
    await clock.advance(1_000);
    expect(sink.calls).toEqual([]);
    expect(slow.connections()).toBe(1);
  });
});
