// The door kept whoever had sent the preface of HTTP/2 and nothing else for ten minutes: 4096 of them, and nobody else
// could connect.
import { once } from 'node:events';
import { type ClientHttp2Session, connect } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from '@jest/globals';
import { ManualClock } from '../../../kit/manual-clock.ts';
import { expectFirstCall } from './first-call.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function connected(clock: ManualClock): Promise<ClientHttp2Session> {
  const server = new Server();
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  expectFirstCall(server, { clock, timeoutMs: 3_000, doorway: { asked: () => {} } });
  const listener = createServer((socket) => injector.injectConnection(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const session = connect(`http://127.0.0.1:${(listener.address() as AddressInfo).port}`);
  cleanups.push(
    () => server.forceShutdown(),
    () => listener.close(),
    () => session.destroy(),
  );
  await once(session, 'remoteSettings');
  return session;
}

test('a connection without a call is told to go, and ends', async () => {
  const clock = new ManualClock();
  const session = await connected(clock);
  const told = once(session, 'goaway');
  await clock.advance(3_000);
  expect((await told)[0]).toBe(0);
  await once(session, 'close');
});

test('one that has called stays', async () => {
  const clock = new ManualClock();
  const session = await connected(clock);
  const stream = session.request({ ':method': 'POST', ':path': '/a/b', 'content-type': 'application/grpc' });
  stream.resume().end();
  await once(stream, 'close');
  await clock.advance(60_000);
  await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
  expect(session.closed).toBe(false);
});
