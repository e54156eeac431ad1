// One try at a connection: what goes out, and how each way of failing is told.
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { selfSigned } from '../../kit/self-signed.ts';
import { type DialResult, dial } from './dial.ts';
import type { Ending } from './ending.ts';
import { FakePod, type UpgradeRefusal } from './fakes/fake-pod.ts';

const clock = new ManualClock();
let pod: FakePod;

beforeEach(async () => {
  pod = await FakePod.listen();
});

afterEach(async () => {
  await pod.close();
  expect(clock.pending).toBe(0);
});

function dialTo(url: string): Promise<DialResult> {
  return new Promise((resolve) => dial({ url, key: 'the-secret-key', version: '1' }, clock, resolve));
}

async function failureOf(url: string): Promise<Ending> {
  const result = await dialTo(url);
  if (result.kind === 'open') throw new Error('a connection came about');
  return result.ending;
}

function refusedWith(refusal: UpgradeRefusal): Promise<Ending> {
  pod.upgrades = refusal;
  return failureOf(pod.url);
}

/** Its port. */
async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

describe('a refused upgrade', () => {
  test('tells status, reason, whether to come back, and when', async () => {
    const body = JSON.stringify({ error: 'the key is suspended', retryable: false });
    expect(await refusedWith({ status: 403, headers: { 'Retry-After': '90' }, body })).toEqual({
      kind: 'refused',
      status: 403,
      error: 'the key is suspended',
      retryable: false,
      retryAfterMs: 90_000,
    });
  });

  test('reads a Retry-After that is a date', async () => {
    const date = new Date(clock.wallMs() + 40_000).toUTCString();
    expect(await refusedWith({ status: 503, headers: { 'Retry-After': date } })).toMatchObject({
      retryAfterMs: 40_000,
    });
  });

  test.each(['-5', 'soon', '1e9', ''])('takes Retry-After %j for none', async (value) => {
    expect(await refusedWith({ status: 503, headers: { 'Retry-After': value } })).toMatchObject({ retryAfterMs: 0 });
  });

  test.each(['<html>bad gateway</html>', '', '[]', 'null', '{"error":7,"retryable":"no"}'])(
    'is taken for passing when a proxy answers with %j',
    async (body) => {
      expect(await refusedWith({ status: 502, body })).toMatchObject({ status: 502, error: '', retryable: true });
    },
  );

  test('is not read beyond what its own answer can be', async () => {
    const body = JSON.stringify({ error: 'large', padding: 'x'.repeat(5_000) });
    expect(await refusedWith({ status: 502, body })).toMatchObject({ status: 502, error: '' });
  });

  test('keeps no more of the reason than a line', async () => {
    const ending = await refusedWith({ status: 503, body: JSON.stringify({ error: 'x'.repeat(1000) }) });
    expect(ending).toMatchObject({ error: 'x'.repeat(200) });
  });

  test('is what a redirect is: the key goes to nobody else', async () => {
    expect(await refusedWith({ status: 302, headers: { location: 'http://127.0.0.1:1/agent' } })).toMatchObject({
      kind: 'refused',
      status: 302,
    });
  });
});

describe('no connection', () => {
  test('when nothing listens', async () => {
    const server = createServer();
    const port = await listening(server);
    server.close();
    await once(server, 'close');
    expect(await failureOf(`ws://127.0.0.1:${port}/agent`)).toEqual({
      kind: 'unreachable',
      why: 'nothing listens at its address',
    });
  });

  test('when the certificate is not trusted, with what to do about it', async () => {
    const server = createHttpsServer(selfSigned('localhost'));
    const port = await listening(server);
    expect(await failureOf(`wss://127.0.0.1:${port}/agent`)).toEqual({
      kind: 'unreachable',
      why: 'its certificate is not trusted; for a private authority, set NODE_EXTRA_CA_CERTS to its PEM file',
    });
    server.close();
  });

  test('when the other end speaks something else', async () => {
    const server = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.9\r\n'));
    const port = await listening(server);
    expect(await failureOf(`ws://127.0.0.1:${port}/agent`)).toMatchObject({ kind: 'unreachable' });
    server.close();
  });

  test('when the other end hangs up', async () => {
    const server = createServer((socket) => socket.destroy());
    const port = await listening(server);
    expect(await failureOf(`ws://127.0.0.1:${port}/agent`)).toEqual({
      kind: 'unreachable',
      why: 'the connection was broken off',
    });
    server.close();
  });

  test('when the other end agrees to no subprotocol of ours', async () => {
    const lines = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
    const server = createServer((socket) => socket.on('data', () => socket.end(lines)));
    const port = await listening(server);
    expect(await failureOf(`ws://127.0.0.1:${port}/agent`)).toEqual({
      kind: 'unreachable',
      why: 'what answers there does not speak resproxy.v1',
    });
    server.close();
  });

  test('within 10 s, over all steps together, the body of a refusal included', async () => {
    pod.upgrades = { status: 503, headers: { 'content-length': '100' }, body: '{' };
    const result = failureOf(pod.url);
    await pod.requests.take();
    await clock.advance(9_999);
    expect(clock.pending).toBe(1);
    await clock.advance(1);
    expect(await result).toEqual({ kind: 'unreachable', why: 'no answer within 10 s' });
  });
});

test('a dial that was called off is never heard of again', async () => {
  pod.upgrades = 'unanswered';
  let heard = false;
  const cancel = dial({ url: pod.url, key: 'k', version: '1' }, clock, () => {
    heard = true;
  });
  const request = await pod.requests.take();
  cancel();
  await once(request.socket, 'end');
  await settle();
  expect(heard).toBe(false);
});
