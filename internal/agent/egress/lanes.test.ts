import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { Execution, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { selfSigned } from '../../kit/self-signed.ts';
import { ask, Rig, streamed } from './rig.ts';

const rig = new Rig();
afterEach(() => rig.close());

const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const hello = () => rig.http((_message, response) => response.end('hello'));

describe('connections are kept', () => {
  test('for the next job of the same isolation and origin', async () => {
    const origin = await hello();
    const egress = rig.egress();
    for (let i = 0; i < 3; i++) await ask(egress, { url: `${origin.url}/${i}` });
    expect(origin.connections()).toBe(1);
    expect(egress.lanes.size).toEqual({ lanes: 1, idle: 1, pools: 1 });
  });

  test('and never for another isolation', async () => {
    const origin = await hello();
    const egress = rig.egress();
    await ask(egress, { url: origin.url, isolationKey: 'a' });
    await ask(egress, { url: origin.url, isolationKey: 'b' });
    expect(origin.connections()).toBe(2);
  });

  test('nor is a TLS session resumed for another isolation', async () => {
    const pem = selfSigned('origin');
    const reused: boolean[] = [];
    const server = createHttpsServer(pem, (message, response) => {
      reused.push((message.socket as TLSSocket).isSessionReused());
      response.setHeader('connection', 'close').end('x');
    });
    const origin = await rig.listen(server, 'https');
    const egress = rig.egress({}, { ca: pem.cert });
    for (const isolationKey of ['a', 'a', 'b']) await ask(egress, { url: origin.url, isolationKey });
    expect(reused).toEqual([false, true, false]);
  });

  test('at most so many idle ones, the longest unused go', async () => {
    const origins = [await hello(), await hello(), await hello()];
    const egress = rig.egress({ maxIdle: 2 });
    for (const { url } of origins) await ask(egress, { url });
    expect(egress.lanes.size).toMatchObject({ lanes: 2, idle: 2 });
    await ask(egress, { url: origins[2]?.url ?? '' });
    await ask(egress, { url: origins[0]?.url ?? '' });
    expect(origins.map(({ connections }) => connections())).toEqual([2, 1, 1]);
  });

  test('in at most so many pools; a busy lane of an evicted pool is not kept', async () => {
    const gate = Promise.withResolvers<void>();
    const slow = await rig.http((_message, response) => void gate.promise.then(() => response.end('late')));
    const fast = await hello();
    const egress = rig.egress({ maxPools: 1 });
    const late = ask(egress, { url: slow.url });
    await settle();
    await ask(egress, { url: fast.url });
    gate.resolve();
    expect((await late).body.toString()).toBe('late');
    expect(egress.lanes.size).toEqual({ lanes: 1, idle: 1, pools: 1 });
  });

  test('for the idle time only', async () => {
    const closed = Promise.withResolvers<unknown>();
    const origin = await rig.raw((socket) => {
      closed.resolve(once(socket, 'close'));
      socket.write(ok);
    });
    const egress = rig.egress({ keepAliveMs: 20 });
    await ask(egress, { url: origin.url });
    await closed.promise;
    await until(() => egress.lanes.size.lanes === 0);
  });

  test.each([
    ['the origin says close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['the origin speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
  ])('not when %s', async (_why, text) => {
    const origin = await rig.raw((socket) => socket.write(text));
    const egress = rig.egress();
    for (let i = 0; i < 2; i++) expect((await ask(egress, { url: origin.url })).status).toBe(200);
    expect(origin.connections()).toBe(2);
    await until(() => egress.lanes.size.lanes === 0);
  });
});

describe('a kept connection that the origin closed', () => {
  /** Answers once per connection, then does `then` with it when the next request comes. */
  const oneShot = (then: (socket: Socket) => void) => {
    return rig.raw((socket) => {
      if (socket.bytesWritten > 0) then(socket);
      else socket.write(ok);
    });
  };

  test('while it was idle is replaced unseen, for any method', async () => {
    let idle: Socket | undefined;
    const origin = await rig.raw((socket) => {
      idle = socket;
      socket.write(ok);
    });
    const egress = rig.egress();
    for (const method of ['GET', 'POST']) {
      expect((await ask(egress, { url: origin.url, method })).status).toBe(200);
      idle?.end();
      await until(() => egress.lanes.size.lanes === 0);
    }
    expect(origin.connections()).toBe(2);
  });

  test('just before a request left is replaced too, and the request is sent once', async () => {
    const sockets: Socket[] = [];
    const origin = await rig.raw((socket) => {
      sockets.push(socket);
      socket.write(ok);
    });
    const egress = rig.egress();
    await ask(egress, { url: origin.url });
    // From here the loop looks at its sockets once before undici writes.
    await settle();
    sockets[0]?.resetAndDestroy();
    expect(await ask(egress, { url: origin.url, method: 'POST' })).toMatchObject({ status: 200, failure: undefined });
    expect(sockets).toHaveLength(2);
  });

  test('under an idempotent request costs a second try on a new one', async () => {
    const origin = await oneShot((socket) => socket.resetAndDestroy());
    const egress = rig.egress();
    for (let i = 0; i < 3; i++) expect((await ask(egress, { url: origin.url })).status).toBe(200);
    expect(origin.connections()).toBe(3);
  });

  test('under a request that must not be repeated is the truth: possible, and sent once', async () => {
    let second = 0;
    const origin = await oneShot((socket) => {
      second++;
      socket.resetAndDestroy();
    });
    const egress = rig.egress();
    await ask(egress, { url: origin.url, method: 'POST' });
    const { failure } = await ask(egress, { url: origin.url, method: 'POST' });
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: Execution.POSSIBLE });
    expect(second).toBe(1);
  });

  test('nor is a request repeated whose body is gone', async () => {
    const origin = await oneShot((socket) => socket.resetAndDestroy());
    const egress = rig.egress();
    await ask(egress, { url: origin.url });
    const { failure } = await ask(egress, { url: origin.url, method: 'PUT' }, streamed(['a', 'b']));
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: Execution.POSSIBLE });
    expect(origin.connections()).toBe(1);
  });

  test('is not risked for such a request unless it was in use just now', async () => {
    const clock = new ManualClock();
    const origin = await hello();
    const egress = rig.egress({ clock });
    const post = () => ask(egress, { url: origin.url, method: 'POST' });
    await post();
    await clock.advance(1_000);
    await post();
    expect(origin.connections()).toBe(1);
    await clock.advance(1_001);
    await post();
    expect(origin.connections()).toBe(2);
  });

  test('nor for a body that cannot be sent again', async () => {
    const clock = new ManualClock();
    const origin = await hello();
    const egress = rig.egress({ clock });
    await ask(egress, { url: origin.url });
    await clock.advance(1_001);
    await ask(egress, { url: origin.url, method: 'PUT' }, streamed(['a', 'b']));
    expect(origin.connections()).toBe(2);
  });

  test('is no reason to try again when it was new', async () => {
    const origin = await rig.raw((socket) => socket.resetAndDestroy());
    const { failure } = await ask(rig.egress(), { url: origin.url });
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: Execution.POSSIBLE });
    expect(origin.connections()).toBe(1);
  });

  test('and a new one that fails the same way is not tried a third time', async () => {
    const origin = await rig.raw((socket, nth) => {
      if (nth === 1 && socket.bytesWritten === 0) socket.write(ok);
      else socket.resetAndDestroy();
    });
    const egress = rig.egress();
    await ask(egress, { url: origin.url });
    const { failure } = await ask(egress, { url: origin.url });
    expect(failure).toMatchObject({ code: FailureCode.CONNECTION_TERMINATED, execution: Execution.POSSIBLE });
    expect(origin.connections()).toBe(2);
  });
});

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await settle();
}
