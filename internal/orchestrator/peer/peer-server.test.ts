// The peer port as strangers, liars and other pods meet it.
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { systemClock } from '../../kit/clock.ts';
import { ManualClock } from '../../kit/manual-clock.ts';
import { encodeFrame } from '../../wire/codec.ts';
import type { ConnectionEnd, FrameTransport } from '../../wire/transport.ts';
import { RemotePod } from '../registry/pods.ts';
import { parseAddress } from './peer-address.ts';
import { peerName } from './peer-credential.ts';
import { dialPeer, linkPath } from './peer-dial.ts';
import {
  byToken,
  Cleanup,
  type Credentials,
  certificates,
  link,
  mtls,
  type Pod,
  startPod,
  token,
  until,
  writeCredentials,
} from './peer-fixture.ts';
import { ownHello } from './peer-hello.ts';
import { peerLimits } from './peer-limits.ts';

let cleanup: Cleanup;

beforeEach(() => {
  cleanup = new Cleanup();
});

afterEach(() => cleanup.run());

const { peer, otherPeer, notPeer } = certificates;
const both = peer.cert + notPeer.cert;

/** Why pod a cannot link to pod b, as its log says. */
async function whyNot(a: Credentials, b: Credentials): Promise<{ a: string | undefined; b: string | undefined }> {
  const from = await startPod(cleanup, { podId: 'a', credentials: a });
  const to = await startPod(cleanup, { podId: 'b', credentials: b });
  const remote = new RemotePod('b', to.address, '1');
  from.links.podJoined(remote);
  await until(() => from.warnings.length > 0);
  expect([remote.linked, to.server.size]).toEqual([false, 0]);
  return { a: from.warnings[0]?.reason, b: to.warnings[0]?.reason };
}

describe('no link comes of', () => {
  test('a server certificate of another authority', async () => {
    expect(await whyNot(mtls, { ...mtls, pair: otherPeer })).toMatchObject({ a: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  });

  test('a server certificate for another name, by mTLS or by token', async () => {
    const a = 'its certificate is not for resproxy-peer';
    expect(await whyNot({ ...mtls, ca: both }, { ...mtls, pair: notPeer })).toMatchObject({ a });
    expect(await whyNot({ ...byToken, ca: both }, { ...byToken, pair: notPeer })).toMatchObject({ a });
  });

  test('a client certificate of another authority', async () => {
    const other = await whyNot({ ...mtls, pair: otherPeer }, mtls);
    expect(other.b).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  });

  test('a client certificate for another name', async () => {
    const { a, b } = await whyNot({ ...mtls, pair: notPeer }, { ...mtls, ca: both });
    expect([a, b]).toEqual(['it refused: only pods of this fleet link here', 'only pods of this fleet link here']);
  });

  test('no client certificate', async () => {
    expect((await whyNot(byToken, mtls)).b).toBe('ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE');
  });

  test('a wrong token, and none', async () => {
    const wrong = await whyNot({ ...byToken, tokens: 'another-token-of-enough-characters' } as Credentials, byToken);
    expect(wrong.b).toBe('only pods of this fleet link here');
    expect((await whyNot(mtls, byToken)).b).toBe('only pods of this fleet link here');
  });
});

describe('a credential', () => {
  test('shows its first token and takes all of them, so that they can be changed', async () => {
    const from = await startPod(cleanup, { podId: 'a', credentials: byToken });
    const rotating = { ...byToken, tokens: `the-next-token-of-all-pods\n${token}\n` } as Credentials;
    const to = await startPod(cleanup, { podId: 'b', credentials: rotating });
    expect((await link(from, to)).linked).toBe(true);
  });

  test('is followed: what is renewed on both sides links again', async () => {
    const from = await startPod(cleanup, { podId: 'a' });
    const to = await startPod(cleanup, { podId: 'b' });
    const renewed: Credentials = { ...mtls, pair: otherPeer, ca: otherPeer.cert };
    for (const { folder } of [from, to]) writeCredentials(folder, renewed);
    for (const { credential } of [from, to]) for (let i = 0; i < 2; i++) await credential.poll();
    const old = await startPod(cleanup, { podId: 'c' });
    expect((await link(from, to)).linked).toBe(true);
    const remote = new RemotePod('b', to.address, '1');
    old.links.podJoined(remote);
    await until(() => old.warnings.length > 0);
    expect(remote.linked).toBe(false);
  });

  test.each([
    ['', 'no token in it'],
    ['short', 'a token must be 16 to 1024 printable characters'],
    [`${token}\n`.repeat(5), 'more than 4 tokens'],
  ])('from a token file with %j does not start, and the file is named but not shown', async (tokens, why) => {
    await expect(startPod(cleanup, { podId: 'a', credentials: { ...byToken, tokens } as Credentials })).rejects.toThrow(
      new RegExp(`token: ${why}$`),
    );
  });
});

describe('the peer port', () => {
  test('cuts plain HTTP, TLS without h2, and HTTP/1.1', async () => {
    const { address } = await startPod(cleanup, { podId: 'b', credentials: byToken });
    const plain = connectTcp(parseAddress(address));
    plain.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    await closed(plain);
    await closed(tlsTo(address, {}));
    await closed(tlsTo(address, { ALPNProtocols: ['http/1.1'] }));
  });

  test('cuts silent connections before 6 s', async () => {
    const clock = new ManualClock();
    const { address, warnings } = await startPod(cleanup, { podId: 'b', credentials: byToken, clock });
    const socket = tlsTo(address, { ALPNProtocols: ['h2'] });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    await until(() => clock.pending > 2);
    const cut = closed(socket);
    await clock.advance(peerLimits.greetingTimeoutMs);
    await cut;
    expect(peerLimits.handshakeTimeoutMs + peerLimits.greetingTimeoutMs).toBeLessThan(6_000);
    expect(warnings).toMatchObject([{ msg: 'a peer was refused', reason: 'no PEER_HELLO in time' }]);
  });

  test.each([
    ['another path', { ':path': '/resproxy.v1.JobService/RunJob' }, 404, '12'],
    ['another content type', { 'content-type': 'application/json' }, 415, '13'],
    ['no token', { authorization: '' }, 200, '16'],
  ])('answers %s with statuses of HTTP and gRPC', async (_what, headers, status, grpcStatus) => {
    const { address } = await startPod(cleanup, { podId: 'b', credentials: byToken });
    expect(await call(address, headers)).toMatchObject({ ':status': status, 'grpc-status': grpcStatus });
  });

  test('stops logging an address that fails all the time, and still links the pods behind it', async () => {
    const to = await startPod(cleanup, { podId: 'b', credentials: byToken });
    for (let i = 0; i < peerLimits.failureBurst + 5; i++) await call(to.address, { authorization: 'Bearer guess' });
    expect(to.warnings.length).toBe(peerLimits.failureBurst);
    const from = await startPod(cleanup, { podId: 'a', credentials: byToken });
    expect((await link(from, to)).linked).toBe(true);
  });

  test('never shows a token in its log', async () => {
    const to = await startPod(cleanup, { podId: 'b', credentials: byToken });
    await call(to.address, { authorization: 'Bearer a-guess-of-enough-characters' });
    expect(JSON.stringify(to.lines)).not.toMatch(/guess|a-token/);
  });

  test.each<[string, number, (line: FrameTransport) => void]>([
    ['garbage for a frame', 4000, (line) => line.send(Buffer.from('ffffffff', 'hex'))],
    ['a frame that is too large', 4413, (line) => line.send(Buffer.alloc(200_000))],
    ['a stream before PEER_HELLO', 4000, (line) => line.send(encodeFrame(1, { case: 'open', value: {} }))],
    ['HELLO', 4000, (line) => line.send(encodeFrame(0, { case: 'hello', value: {} }))],
    ['a pod of the same name', 4000, (line) => sayHello(line, { podId: 'b' })],
    ['a pod without a name', 4000, (line) => sayHello(line, { podId: '' })],
    ['a pod of another protocol', 4426, (line) => sayHello(line, { protocolMin: 9, protocolMax: 9 })],
    ['a pod that takes nothing', 4000, (line) => sayHello(line, { connectionWindow: 0 })],
    ['PEER_HELLO twice', 4000, (line) => greetAndSay(line, hello())],
    ['DRAIN from a pod', 4000, (line) => greetAndSay(line, encodeFrame(0, { case: 'drain', value: {} }))],
    ['an answer to an order', 4000, (line) => greetAndSay(line, encodeFrame(0, { case: 'agentOrderDone', value: {} }))],
  ])('closes on %s, and says why', async (_what, code, lie) => {
    const pod = await startPod(cleanup, { podId: 'b' });
    const { line, end } = await liar(pod);
    lie(line);
    expect(await end).toMatchObject({ code, local: false });
    await until(() => pod.server.size === 0);
  });

  test('closes on a compressed message', async () => {
    const { address } = await startPod(cleanup, { podId: 'b', credentials: byToken });
    const trailers = await call(address, {}, Buffer.from('0100000000', 'hex'));
    expect(trailers).toMatchObject({ 'grpc-status': '13', 'resproxy-close-code': '4000' });
  });

  test('hears why the other end closes', async () => {
    const pod = await startPod(cleanup, { podId: 'b' });
    const { line } = await liar(pod);
    sayHello(line);
    await until(() => pod.server.size === 1);
    line.close(4429, 'who reads, 100 %?');
    await until(() => pod.server.size === 0);
    const said = { msg: 'the link of a pod ended', peer: 'a', code: 4429, reason: 'who reads, 100 %?' };
    expect(pod.lines.at(-1)).toMatchObject(said);
  });

  test('says in trailers that it was drained, which is no fault', async () => {
    const pod = await startPod(cleanup, { podId: 'b' });
    const { line, end } = await liar(pod);
    sayHello(line);
    await until(() => pod.server.size === 1);
    await pod.server.close(0);
    expect(await end).toEqual({ code: 4001, reason: 'this pod goes away', local: false });
  });
});

/** A pod that was let in and says what it likes. */
async function liar(pod: Pod): Promise<{ line: FrameTransport; end: Promise<ConnectionEnd> }> {
  const { signal } = new AbortController();
  const line = await dialPeer({ address: pod.address, credential: pod.credential, clock: systemClock, signal });
  const end = new Promise<ConnectionEnd>((onEnd) => line.attach({ onFrame() {}, onDrain() {}, onEnd }));
  cleanup.add(() => line.terminate(1001, 'over'));
  return { line, end };
}

function sayHello(line: FrameTransport, more: Partial<ReturnType<typeof ownHello>> = {}): void {
  line.send(hello(more));
}

function hello(more: Partial<ReturnType<typeof ownHello>> = {}): Uint8Array {
  return encodeFrame(0, { case: 'peerHello', value: { ...ownHello('a', '1'), ...more } });
}

function greetAndSay(line: FrameTransport, frame: Uint8Array): void {
  sayHello(line);
  line.send(frame);
}

function tlsTo(address: string, options: ConnectionOptions): TLSSocket {
  const socket = connectTls({ ...parseAddress(address), rejectUnauthorized: false, ...options });
  socket.on('error', () => {});
  socket.resume();
  return socket;
}

function closed(socket: { once(event: 'close', fn: () => void): unknown }): Promise<void> {
  return new Promise((resolve) => socket.once('close', resolve));
}

/** One call of the link method by hand; answers the head, or the trailers of a call that was let in. */
async function call(address: string, more: object, body?: Buffer): Promise<IncomingHttpHeaders> {
  const session = connectHttp2(`https://${address}`, { rejectUnauthorized: false, servername: peerName });
  session.on('error', () => {});
  const headers = {
    ':method': 'POST',
    ':path': linkPath,
    'content-type': 'application/grpc',
    authorization: `Bearer ${token}`,
    ...more,
  };
  const stream = session.request(headers, { endStream: false });
  stream.on('error', () => {});
  if (body) stream.write(body);
  const answer = await new Promise<IncomingHttpHeaders>((resolve) =>
    stream.once(body ? 'trailers' : 'response', resolve),
  );
  session.destroy();
  return answer;
}
