import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { ManualClock } from '../../../kit/manual-clock.ts';
import { EventStream, endEvents } from './event-stream.ts';

// A stream of events on a real connection, in time that stands still.

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function open() {
  const clock = new ManualClock();
  const opened = Promise.withResolvers<ServerResponse>();
  const server = createServer((_, response) => opened.resolve(response)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const asking = request({ port, host: '127.0.0.1' }).end();
  asking.on('error', () => {});
  // A reader that never reads would hold its socket for ever.
  cleanups.push(() => asking.destroy());
  const response = await opened.promise;
  const stream = new EventStream(response, { clock, requestId: 'r', writeTimeoutMs: 30_000 });
  stream.begin();
  const [reader] = (await once(asking, 'response')) as [IncomingMessage];
  reader.on('error', () => {}).setEncoding('utf8');
  return { clock, response, stream, reader };
}

/** Reads until the text has come. */
async function readUntil(reader: IncomingMessage, wanted: string): Promise<string> {
  let text = '';
  while (!text.includes(wanted)) text += reader.read() ?? ((await once(reader, 'readable')) && '');
  return text;
}

test('what is quiet has a heartbeat every 15 s, until it is closed', async () => {
  const { clock, response, stream, reader } = await open();
  await stream.send('1', '{}');
  expect(await readUntil(reader, 'id: 1\n')).toBe('retry: 1000\n\nid: 1\ndata: {}\n\n');
  await clock.advance(14_999);
  await stream.send('2', '{}', 'synced');
  expect(await readUntil(reader, 'id: 2\n')).toBe('event: synced\nid: 2\ndata: {}\n\n');
  await clock.advance(1);
  expect(await readUntil(reader, ':')).toBe(':\n\n');
  await clock.advance(15_000);
  expect(await readUntil(reader, ':')).toBe(':\n\n');
  stream.close();
  expect(clock.pending).toBe(0);
  endEvents(response, '{"code":"DRAINING"}');
  expect(await readUntil(reader, 'DRAINING')).toBe('event: failure\ndata: {"code":"DRAINING"}\n\n');
});

test('a reader that does not read is waited for, and given up after its time', async () => {
  const { clock, response, stream } = await open();
  const closed = once(response, 'close');
  const sends = { count: 0, isOver: false };
  const sending = (async () => {
    while (!response.destroyed) {
      await stream.send(String(++sends.count), 'x'.repeat(1 << 20));
    }
    sends.isOver = true;
  })();
  while (!response.writableNeedDrain) await new Promise(setImmediate);
  let before = -1;
  while (before !== sends.count) {
    before = sends.count;
    for (let i = 0; i < 50; i++) await new Promise(setImmediate);
  }
  expect(sends.count).toBeLessThan(20);
  await clock.advance(29_999);
  expect(response.destroyed).toBe(false);
  const buffered = response.writableLength;
  await clock.advance(1);
  expect(buffered).toBeGreaterThan(0);
  await closed;
  await sending;
  expect(sends).toEqual({ count: before, isOver: true });
  stream.close();
  expect(clock.pending).toBe(0);
});
