import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { type ClientOptions, WebSocket } from 'ws';
import { systemClock } from '../../kit/clock.ts';
import { ManualClock } from '../../kit/manual-clock.ts';
import { selfSigned } from '../../kit/self-signed.ts';
import { TlsFiles } from '../../kit/tls-files.ts';
import type { ConnectionEnd } from '../../wire/transport.ts';
import type { Authentication } from '../keys/keyring.ts';
import { policySchema } from '../keys/policy.ts';
import { AgentListener, type AgentListenerOptions } from './agent-listener.ts';
import { channelLimits } from './channel-limits.ts';
import { parseRange } from './client-address.ts';
import type { Arrival } from './connection-api.ts';

const policy = policySchema.parse({ id: 'k1', name: 'berlin', digest: `sha256:${'a'.repeat(64)}` });
const known: Readonly<Record<string, Authentication>> = {
  'good-key': { ok: true, policy },
  'suspended-key': { ok: false, why: 'suspended' },
  'expired-key': { ok: false, why: 'expired' },
};
const goodKey = { authorization: 'Bearer good-key' };

let folder: string;
let listeners: AgentListener[];
let clients: WebSocket[];
let arrivals: Arrival[];
let ended: PromiseWithResolvers<ConnectionEnd>;
let frames: number[];
let hasRoom: boolean;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'agent-listener-'));
  listeners = [];
  clients = [];
  arrivals = [];
  ended = Promise.withResolvers();
  frames = [];
  hasRoom = true;
});

afterEach(async () => {
  for (const client of clients) client.terminate();
  await Promise.all(listeners.map((listener) => listener.close()));
  rmSync(folder, { recursive: true });
});

async function listen(overrides: Partial<AgentListenerOptions> = {}): Promise<number> {
  const listener = new AgentListener({
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    allowPlaintext: false,
    trustedProxies: [],
    keyring: { authenticate: (presented) => known[presented] ?? { ok: false, why: 'unknown' } },
    connections: {
      get hasRoom() {
        return hasRoom;
      },
      accept(arrival) {
        arrivals.push(arrival);
        arrival.transport.attach({
          onFrame: (frame) => frames.push(frame.length),
          onDrain: () => {},
          onEnd: ended.resolve,
        });
      },
    },
    clock: systemClock,
    random: () => 0.5,
    log: pino({ level: 'silent' }),
    ...overrides,
  });
  listeners.push(listener);
  return (await listener.start()).port;
}

type Outcome =
  | { readonly open: WebSocket }
  | { readonly status: number; readonly retryAfter: string | undefined; readonly body: unknown };

function dial(url: string, options: ClientOptions = {}, protocols = ['resproxy.v1']): Promise<Outcome> {
  const client = new WebSocket(url, protocols, { perMessageDeflate: true, ...options });
  clients.push(client);
  return new Promise((resolve, reject) => {
    client.on('open', () => resolve({ open: client }));
    client.on('unexpected-response', (_request, response) => resolve(read(response)));
    client.on('error', reject);
  });
}

async function read(response: IncomingMessage): Promise<Outcome> {
  let text = '';
  for await (const chunk of response) text += String(chunk);
  const { statusCode = 0, headers } = response;
  return { status: statusCode, retryAfter: headers['retry-after'], body: JSON.parse(text) };
}

async function opened(url: string, options: ClientOptions): Promise<WebSocket> {
  const outcome = await dial(url, options);
  if ('open' in outcome) return outcome.open;
  throw new Error(`refused with ${outcome.status}`);
}

describe('AgentListener', () => {
  test('hands over an agent with a valid key, without compression', async () => {
    const port = await listen();
    const client = await opened(`ws://127.0.0.1:${port}/agent?x`, { headers: goodKey });
    expect(client.protocol).toBe('resproxy.v1');
    expect(client.extensions).toBe('');
    expect(arrivals).toMatchObject([{ policy, observedAddress: '127.0.0.1' }]);
  });

  test.each([
    ['an unknown key', 401, { authorization: 'Bearer other' }, 'the key is not valid'],
    ['no key', 401, {}, 'the key is not valid'],
    ['another scheme', 401, { authorization: 'Basic good-key' }, 'the key is not valid'],
    ['a suspended key', 403, { authorization: 'Bearer suspended-key' }, 'the key is suspended'],
    ['an expired key', 403, { authorization: 'bearer expired-key' }, 'the key has expired'],
  ])('refuses %s with %p', async (_what, status, headers, error) => {
    const port = await listen();
    const outcome = await dial(`ws://127.0.0.1:${port}/agent`, { headers });
    expect(outcome).toEqual({ status, retryAfter: '60', body: { error, retryable: false } });
    expect(arrivals).toEqual([]);
  });

  test('refuses another path and another subprotocol, whatever the key', async () => {
    const port = await listen();
    const options = { headers: goodKey };
    expect(await dial(`ws://127.0.0.1:${port}/other`, options)).toMatchObject({
      status: 404,
      body: { retryable: false },
    });
    const url = `ws://127.0.0.1:${port}/agent`;
    expect(await dial(url, options, ['resproxy.v2'])).toMatchObject({ status: 426, body: { retryable: false } });
    expect(await dial(url, options, [])).toMatchObject({ status: 426 });
    expect(await dial(url, options, ['resproxy.v2', 'resproxy.v1'])).toHaveProperty('open');
  });

  test('refuses what is no WebSocket upgrade', async () => {
    const port = await listen();
    const headers = { ...goodKey, connection: 'upgrade', upgrade: 'h2c', 'sec-websocket-protocol': 'resproxy.v1' };
    const answer = (path: string, more = {}) =>
      new Promise<Outcome>((resolve) => {
        get({ port, path, headers: more, agent: false }, (response) => resolve(read(response)));
      });
    expect(await answer('/agent', headers)).toMatchObject({ status: 400, body: { retryable: false } });
    expect(await answer('/agent')).toMatchObject({ status: 426 });
    expect(await answer('/')).toMatchObject({ status: 404 });
  });

  test('tells an address with too many bad keys to wait, and still lets its good ones in', async () => {
    const port = await listen({ clock: new ManualClock() });
    const url = `ws://127.0.0.1:${port}/agent`;
    for (let i = 0; i < channelLimits.failureBurst; i++) expect(await dial(url)).toMatchObject({ status: 401 });
    expect(await dial(url)).toEqual({
      status: 429,
      retryAfter: '60',
      body: { error: 'too many refused keys from this address', retryable: true },
    });
    expect(await dial(url, { headers: goodKey })).toHaveProperty('open');
  });

  test('has agents come back later when it is full or goes away', async () => {
    const port = await listen();
    const url = `ws://127.0.0.1:${port}/agent`;
    hasRoom = false;
    expect(await dial(url, { headers: goodKey })).toEqual({
      status: 503,
      retryAfter: '3',
      body: { error: 'this pod has no room', retryable: true },
    });
    hasRoom = true;
    const client = await opened(url, { headers: goodKey });
    listeners[0]?.stopAccepting();
    expect(await dial(url, { headers: goodKey })).toMatchObject({ status: 503, body: { retryable: true } });
    expect(client.readyState).toBe(WebSocket.OPEN);
  });

  test("believes a trusted proxy's word on the agent's address", async () => {
    const port = await listen({ trustedProxies: [parseRange('127.0.0.0/8')] });
    const headers = { ...goodKey, 'x-forwarded-for': '1.1.1.1, 198.51.100.1' };
    await opened(`ws://127.0.0.1:${port}/agent`, { headers });
    expect(arrivals[0]?.observedAddress).toBe('198.51.100.1');
  });

  test('closes a connection that sends text, or something absurdly large', async () => {
    const port = await listen();
    const url = `ws://127.0.0.1:${port}/agent`;
    const codes: number[] = [];
    for (const message of ['text', Buffer.alloc(1024 * 1024)]) {
      const client = await opened(url, { headers: goodKey });
      const closed = new Promise((resolve) => client.once('close', resolve));
      client.on('error', () => {});
      client.send(message);
      codes.push(Number(await closed));
    }
    expect(codes[0]).toBe(4000);
    expect(codes[1]).toBe(1009);
    expect(frames).toEqual([]);
  });

  test('cuts a connection that brings more than a head may hold', async () => {
    const port = await listen();
    const socket = tcpConnect(port, '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes) => {
      answer += bytes.toString();
    });
    socket.write(`GET /agent HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(10_000)}\r\n\r\n`);
    await new Promise((resolve) => socket.once('close', resolve));
    expect(answer).toMatch(/^HTTP\/1\.1 431 /);
  });

  // More than the bound used to be cut as they came: a crowd that said nothing kept every agent out.
  test('lets an agent in when all who may wait without a key say nothing, and keeps the agents it has', async () => {
    const port = await listen({ limits: { maxStrangers: 2 } });
    const url = `ws://127.0.0.1:${port}/agent`;
    const before = await opened(url, { headers: goodKey });
    const silent = [1, 2].map(() => tcpConnect(port, '127.0.0.1').resume());
    await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('connect', resolve))));
    const oldestIsCut = new Promise((resolve) => silent[0]?.once('close', resolve));
    const after = await opened(url, { headers: goodKey });
    await oldestIsCut;
    expect([before, after].map(({ readyState }) => readyState)).toEqual([WebSocket.OPEN, WebSocket.OPEN]);
    expect(listeners[0]?.doorway).toMatchObject({ known: 2, strangers: 1, cuts: { crowd: 1 } });
    silent[1]?.destroy();
  });

  test('cuts who drags out its first request, however it does', async () => {
    const port = await listen({ limits: { askWithinMs: 30 } });
    const socket = tcpConnect(port, '127.0.0.1');
    socket.write('GET /agent HTTP/1.1\r\nHost: ');
    await new Promise((resolve) => socket.resume().once('close', resolve));
    expect(listeners[0]?.doorway.cuts.overdue).toBe(1);
  });

  test('is not plain off loopback, unless that is allowed by name', async () => {
    await expect(listen({ host: '0.0.0.0' })).rejects.toThrow('without TLS');
    expect(await listen({ host: '0.0.0.0', allowPlaintext: true })).toBeGreaterThan(0);
  });

  test('says that its port is taken', async () => {
    const port = await listen();
    await expect(listen({ port })).rejects.toThrow('EADDRINUSE');
  });

  test('ends what is left when it closes', async () => {
    const port = await listen({ clock: impatient });
    const client = await opened(`ws://127.0.0.1:${port}/agent`, { headers: goodKey });
    const silent = tcpConnect(port, '127.0.0.1');
    await new Promise((resolve) => silent.once('connect', resolve));
    const closed = Promise.all([client, silent].map((end) => new Promise((resolve) => end.once('close', resolve))));
    await listeners.pop()?.close();
    await closed;
    expect(await ended.promise).toMatchObject({ code: 1006 });
  });

  test('speaks TLS with the newest certificate', async () => {
    const write = (name: string) => {
      for (const [file, text] of Object.entries(selfSigned(name))) {
        writeFileSync(join(folder, `${file}.new`), text);
        renameSync(join(folder, `${file}.new`), join(folder, file));
      }
    };
    write('first');
    const paths = { certPath: join(folder, 'cert'), keyPath: join(folder, 'key') };
    const tls = new TlsFiles({ ...paths, clock: new ManualClock(), onFault: () => {} });
    await tls.start();
    const port = await listen({ tls, host: '127.0.0.1' });
    const client = await opened(`wss://127.0.0.1:${port}/agent`, { headers: goodKey, rejectUnauthorized: false });
    expect(await nameAt(port)).toBe('first');
    write('second');
    await tls.poll();
    await tls.poll();
    expect(await nameAt(port)).toBe('second');
    expect(client.readyState).toBe(WebSocket.OPEN);
    tls.stop();
  });
});

/** Does not linger. */
const impatient = { ...systemClock, after: (_ms: number, fn: () => void) => systemClock.after(0, fn) };

/** The name that the certificate at a port is made out to. */
function nameAt(port: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().subject.CN);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}
