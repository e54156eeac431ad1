// A hundred callers shared one connection of HTTP/2, and some of them were told that their answers had been cut short,
// although every byte had come: Node looks whether a stream is over before it looks at what the stream still holds.
import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { WholeAnswers } from './whole-answers.ts';

let server: Http2Server;
let caller: WholeAnswers;
let answer: (stream: ServerHttp2Stream) => void;

beforeEach(async () => {
  server = createServer();
  server.on('stream', (stream: ServerHttp2Stream) => answer(stream.on('error', () => {})));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  caller = new WholeAnswers(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(async () => {
  caller.abort();
  await new Promise((resolve) => server.close(resolve));
});

async function call() {
  const stream = await caller.request('POST', '/', {}, {});
  stream.on('error', () => {}).end();
  await once(stream, 'response');
  return stream;
}

async function read(body: AsyncIterable<Buffer>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test('an answer that came whole before anybody read it is an answer', async () => {
  answer = (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('whole');
  };
  const stream = await call();
  while (!stream.closed) await new Promise(setImmediate);
  expect(await read(stream)).toBe('whole');
});

test.each([
  ['before', true],
  ['while', false],
])('one that is cut short %s it is read is none', async (_name, waits) => {
  answer = (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('half', () => stream.destroy(new Error('the server fails')));
  };
  const stream = await call();
  while (waits && !stream.destroyed) await new Promise(setImmediate);
  await expect(read(stream)).rejects.toThrow('cut short');
});
