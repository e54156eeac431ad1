// The transport over real sockets on loopback: order, the mark that stops a sender, and every way a connection ends.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { WebSocket, WebSocketServer } from 'ws';
import { systemClock } from '../kit/clock.ts';
import { limits } from './limits.ts';
import type { ConnectionEnd, TransportListener } from './transport.ts';
import { WebSocketTransport, webSocketOptions } from './websocket-transport.ts';

class Ear implements TransportListener {
  readonly frames: Buffer[] = [];
  readonly end = Promise.withResolvers<ConnectionEnd>();
  drained = Promise.withResolvers<void>();
  #wanted: { count: number; done: () => void } | undefined;

  onFrame(frame: Uint8Array): void {
    this.frames.push(Buffer.from(frame));
    if (this.#wanted && this.frames.length >= this.#wanted.count) this.#wanted.done();
  }

  onDrain(): void {
    this.drained.resolve();
  }

  onEnd(end: ConnectionEnd): void {
    this.end.resolve(end);
  }

  async heard(count: number): Promise<void> {
    if (this.frames.length >= count) return;
    await new Promise<void>((done) => {
      this.#wanted = { count, done };
    });
  }
}

const servers: Server[] = [];
const open: Socket[] = [];
afterEach(() => {
  for (const socket of open.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

async function connect() {
  const server = createServer();
  servers.push(server);
  const upgrader = new WebSocketServer({ noServer: true, ...webSocketOptions });
  const accepted = new Promise<{ ws: WebSocket; socket: Socket }>((resolve) => {
    server.on('upgrade', (request, socket, head) => {
      upgrader.handleUpgrade(request, socket, head, (ws) => resolve({ ws, socket: socket as Socket }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(server.address() as AddressInfo).port}`, webSocketOptions);
  const [[response]] = (await Promise.all([once(client, 'upgrade'), once(client, 'open')])) as [
    [{ socket: Socket }],
    unknown,
  ];
  const far = await accepted;
  open.push(response.socket, far.socket);
  const near = { transport: new WebSocketTransport(client, response.socket, systemClock), ear: new Ear(), ws: client };
  const there = { transport: new WebSocketTransport(far.ws, far.socket, systemClock), ear: new Ear(), ...far };
  near.transport.attach(near.ear);
  there.transport.attach(there.ear);
  return { near, there };
}

describe('a WebSocket transport', () => {
  test('carries frames in order, empty ones too', async () => {
    const { near, there } = await connect();
    for (let i = 0; i < 100; i++) near.transport.send(Buffer.alloc(i, i));
    await there.ear.heard(100);
    expect(there.ear.frames.every((frame, i) => frame.equals(Buffer.alloc(i, i)))).toBe(true);
    expect(there.transport.bytesReceived).toBeGreaterThan(4_950);
  });

  test('says when there is room again after its buffer was full', async () => {
    const { near, there } = await connect();
    while (near.transport.bufferedBytes < limits.socketBufferBytes) near.transport.send(Buffer.alloc(30_000));
    await near.ear.drained.promise;
    expect(near.transport.bufferedBytes).toBeLessThan(limits.socketBufferBytes);
    await there.ear.heard(3);
  });

  test('tells both ends the code and reason of a close', async () => {
    const { near, there } = await connect();
    near.transport.close(4001, 'drained');
    expect(await near.ear.end.promise).toEqual({ code: 4001, reason: 'drained', local: true });
    expect(await there.ear.end.promise).toEqual({ code: 4001, reason: 'drained', local: false });
  });

  test('sends what it was given before it closes', async () => {
    const { near, there } = await connect();
    near.transport.send(Buffer.from('last words'));
    near.transport.close(4001, 'drained');
    await there.ear.end.promise;
    expect(there.ear.frames.map(String)).toEqual(['last words']);
  });

  test('reports a line that broke without a word as 1006', async () => {
    const { near, there } = await connect();
    there.socket.destroy();
    expect(await near.ear.end.promise).toEqual({ code: 1006, reason: '', local: false });
  });

  test('breaks off at once when told to, and both ends hear of it', async () => {
    const { near, there } = await connect();
    near.transport.terminate(4408, 'silent');
    expect(await near.ear.end.promise).toEqual({ code: 4408, reason: 'silent', local: true });
    expect([4408, 1006]).toContain((await there.ear.end.promise).code);
  });

  test('closes on a text frame, and on a message larger than anything it may carry', async () => {
    const text = await connect();
    text.near.ws.send('hello');
    expect(await text.there.ear.end.promise).toMatchObject({ code: 4000, local: true });
    const huge = await connect();
    huge.near.ws.send(Buffer.alloc(2 * limits.maxFrameBytes + 1));
    expect((await huge.near.ear.end.promise).code).toBe(1009);
  });

  test('does not answer WebSocket pings, whose flood would fill the buffer of whoever answers', async () => {
    const { near, there } = await connect();
    let pongs = 0;
    near.ws.on('pong', () => pongs++);
    near.ws.ping();
    near.transport.send(Buffer.from('x'));
    await there.ear.heard(1);
    there.transport.send(Buffer.from('y'));
    await near.ear.heard(1);
    expect(pongs).toBe(0);
  });
});
