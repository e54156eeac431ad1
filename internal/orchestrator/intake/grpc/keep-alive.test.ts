// A rolling restart under load cost a few streams, always those whose connection was a multiple of 30 s old while its
// pod drained: the PING that was due then failed, and the connection ended with the call on it.
import { once } from 'node:events';
import { type ClientHttp2Stream, connect } from 'node:http2';
import { type AddressInfo, createServer, connect as dial } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from '@jest/globals';
import { ManualClock } from '../../../kit/manual-clock.ts';
import { TimerWheel } from '../../../kit/timer-wheel.ts';
import { keepAlive } from './keep-alive.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function listening(): Promise<{ server: Server; port: number; clock: ManualClock }> {
  const clock = new ManualClock();
  const server = new Server();
  const whole = (bytes: Buffer) => bytes;
  server.register(
    '/held/Call',
    (call: { write(bytes: Buffer): void }) => call.write(Buffer.from('x')),
    whole,
    whole,
    'serverStream',
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  keepAlive(server, { wheel: new TimerWheel(clock), pingMs: 30_000, deadMs: 10_000 });
  const listener = createServer((socket) => injector.injectConnection(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  cleanups.push(
    () => listener.close(),
    () => server.forceShutdown(),
  );
  return { server, port: (listener.address() as AddressInfo).port, clock };
}

/** A call that the server answers in part, and then holds. */
async function heldCall(port: number): Promise<ClientHttp2Stream> {
  const session = connect(`http://127.0.0.1:${port}`);
  cleanups.push(() => session.destroy());
  const call = session.request({ ':method': 'POST', ':path': '/held/Call', 'content-type': 'application/grpc' });
  call.end(Buffer.alloc(5));
  await once(call, 'data');
  return call;
}

test('a connection that answers stays, however long', async () => {
  const { port, clock } = await listening();
  const call = await heldCall(port);
  for (let i = 0; i < 3; i++) {
    const asked = once(call.session as NonNullable<typeof call.session>, 'ping');
    await clock.advance(31_000);
    await asked;
    // The answer comes over the socket.
    await new Promise((resolve) => call.session?.ping(resolve));
    await clock.advance(11_000);
  }
  expect(call.destroyed).toBe(false);
});

test('one that does not answer ends', async () => {
  const { port, clock } = await listening();
  const silent = dial(port, '127.0.0.1');
  cleanups.push(() => silent.destroy());
  silent.write(
    Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from('000000040000000000', 'hex')]),
  );
  await once(silent, 'data');
  const closed = once(silent, 'close');
  await clock.advance(31_000);
  await clock.advance(11_000);
  await closed;
});

test('a connection that drains keeps its calls past the time of a PING', async () => {
  const { server, port, clock } = await listening();
  const call = await heldCall(port);
  const told = once(call.session as NonNullable<typeof call.session>, 'goaway');
  server.tryShutdown(() => {});
  await told;
  let ended = false;
  call.once('close', () => {
    ended = true;
  });
  await clock.advance(60_000);
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
  expect(ended).toBe(false);
});
