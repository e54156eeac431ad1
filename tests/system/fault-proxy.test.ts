// The fault proxy is what other tests trust to be a bad line; here it is held to that.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect } from '@jest/globals';
import { FaultProxy } from '../harness/fault-proxy.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

/** Answers every byte with the same byte, and a FIN with a FIN. */
const target = shared(async (use) => {
  const server: Server = createServer((socket) => socket.on('error', () => {}).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  use({ close: () => new Promise((resolve) => server.close(resolve)) });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
});

interface Line {
  readonly proxy: FaultProxy;
  readonly socket: Socket;
  readonly received: () => string;
  readonly events: string[];
}

async function line(use: <T extends { close(): Promise<unknown> }>(thing: T) => T): Promise<Line> {
  const proxy = use(await FaultProxy.start(target()));
  const socket = connect({ port: proxy.port, host: '127.0.0.1', allowHalfOpen: true });
  let received = '';
  const events: string[] = [];
  socket.setEncoding('utf8').on('data', (text: string) => {
    received += text;
  });
  socket.on('end', () => events.push('end'));
  socket.on('error', (error: NodeJS.ErrnoException) => events.push(error.code ?? ''));
  await once(socket, 'connect');
  use({ close: async () => void socket.destroy() });
  return { proxy, socket, received: () => received, events };
}

story('bytes arrive late by the latency of both ways, and in order', async (use) => {
  const { proxy, socket, received } = await line(use);
  proxy.shape('both', { latencyMs: 60 });
  const begin = performance.now();
  for (let i = 0; i < 50; i++) socket.write(`${i},`);
  await until('all came back', () => received().endsWith('49,'));
  expect(performance.now() - begin).toBeGreaterThanOrEqual(115);
  expect(received()).toBe(Array.from({ length: 50 }, (_, i) => `${i},`).join(''));
});

story('a narrow line lets no more through than its rate', async (use) => {
  const { proxy, socket, received } = await line(use);
  proxy.shape('up', { bytesPerSecond: 100_000 });
  const begin = performance.now();
  socket.write('x'.repeat(30_000));
  await until('all came back', () => received().length === 30_000);
  expect(performance.now() - begin).toBeGreaterThanOrEqual(290);
});

story('a black hole swallows bytes and ends alike, and what it held arrives when it heals', async (use) => {
  const { proxy, socket, received, events } = await line(use);
  proxy.blackhole('up');
  socket.write('lost?');
  socket.end();
  const witness = await line(use);
  witness.socket.write('seen');
  await until('another line carries bytes meanwhile', () => witness.received() === 'seen');
  expect(received()).toBe('');
  expect(events).toEqual([]);
  proxy.heal();
  await until('bytes and FIN came back', () => events.length > 0);
  expect(received()).toBe('lost?');
  expect(events).toEqual(['end']);
});

story('slices change nothing but the size of the writes', async (use) => {
  const { proxy, socket, received } = await line(use);
  proxy.shape('both', { sliceBytes: 3 });
  socket.write('abcdefghij');
  await until('all came back', () => received() === 'abcdefghij');
});

story('a reset reaches the client as one', async (use) => {
  const { proxy, socket, received, events } = await line(use);
  socket.write('x');
  await until('connected through', () => received() === 'x');
  proxy.reset();
  await until('the socket broke', () => events.length > 0);
  expect(events).toEqual(['ECONNRESET']);
});

story('a half-closed line still carries the other way', async (use) => {
  const { proxy, socket, received, events } = await line(use);
  socket.write('x');
  await until('connected through', () => received() === 'x');
  proxy.halfClose('down');
  await until('the FIN arrived', () => events.includes('end'));
  expect(socket.writable).toBe(true);
});

story('a refusing proxy resets new connections and keeps old ones', async (use) => {
  const { proxy, socket, received } = await line(use);
  proxy.refuse(true);
  const late = connect({ port: proxy.port, host: '127.0.0.1' });
  await expect(once(late, 'close').then(() => 'closed')).rejects.toMatchObject({ code: 'ECONNRESET' });
  socket.write('x');
  await until('the old one works', () => received() === 'x');
});
