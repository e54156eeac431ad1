// What the test origin answers, by the first part of the path:
//   /echo            what arrived, as JSON: method, path, ordered headers, body's length and digest
//   /mirror          the body itself
//   /bytes/N         N bytes that repeat 0..255
//   /stream/N        N MiB in pieces, as fast as they are taken
//   /drip/N          N bytes, one every 20 ms; those that are late come together
//   /status/N        an empty answer with that status
//   /headers         30 headers, repeated names interleaved, Set-Cookie among them
//   /redirect/N      N hops (302), then /echo
//   /to/URL          one 302 to the URL (percent-encoded); /to-as/STATUS/URL with another status
//   /coded/gzip, /coded/br   4 KiB of text, compressed
//   /bomb/gzip, /bomb/br   10 MiB of zeros, compressed
//   /late/N          waits N ms, then answers as /echo
//   /hold/NAME       waits for NAME to be released, then answers as /echo
//   /hang, /hang-body      never answers; answers half of its body and stops
//   /cut, /cut-body        closes before the head; in the middle of the body
//   /_hits           the hits so far as JSON, for a test that is in another process
import { createHash } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Holds } from './holds.ts';

/** One request as it arrived. */
export interface Hit {
  readonly method: string;
  /** The request target, byte for byte. */
  readonly path: string;
  /** Value of the header x-marker, by which tests tell jobs apart. */
  readonly marker: string;
  /** The address that the request came in by. */
  readonly localAddress: string;
  /** How its answer stands: abandoned when the other end left before it had the whole of it. */
  state: 'open' | 'answered' | 'abandoned';
}

export interface Request {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly holds: Holds;
  readonly hits: readonly Hit[];
  readonly marker: string;
}

/** /echo's answer. */
export interface Echo {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly bodyBytes: number;
  readonly bodySha256: string;
}

type Route = (request: Request, argument: string) => Promise<void> | void;

const MiB = 1024 * 1024;

const routes: Readonly<Record<string, Route>> = {
  echo,
  mirror,
  bytes: ({ response }, count) => void response.end(pattern(Number(count))),
  stream: ({ response }, mebibytes) => stream(response, Number(mebibytes)),
  drip,
  status: ({ response }, code) => void response.writeHead(Number(code)).end(),
  headers: ({ response }) => void response.writeHead(200, interleavedHeaders.flat()).end(),
  redirect: ({ response }, hops) =>
    redirect(response, 302, Number(hops) <= 1 ? '/echo' : `/redirect/${Number(hops) - 1}`),
  to: ({ response }, url) => redirect(response, 302, decodeURIComponent(url)),
  'to-as': ({ response }, rest) => {
    const [status, url] = splitOnce(rest);
    redirect(response, Number(status), decodeURIComponent(url));
  },
  coded: ({ response }, coding) => compressed(response, coding, codedText),
  bomb: ({ response }, coding) => compressed(response, coding, Buffer.alloc(10 * MiB)),
  late: async (request, ms) => {
    await pause(Number(ms));
    await echo(request);
  },
  hold: async (request, name) => {
    await request.holds.wait(name);
    await echo(request);
  },
  hang: () => {},
  'hang-body': ({ response }) => void response.writeHead(200, { 'content-length': '1000' }).write(pattern(500)),
  cut: ({ request }) => void request.socket.destroy(),
  'cut-body': ({ request, response }) => {
    response.writeHead(200, { 'content-length': '1000' });
    response.write(pattern(500), () => request.socket.destroy());
  },
  _hits: ({ response, hits }) => void response.end(JSON.stringify(hits)),
};

/** What /coded sends, before it is compressed. */
export const codedText: Buffer = Buffer.from('the same words again. '.repeat(186));

/** What /headers sends, in this order. */
export const interleavedHeaders: readonly (readonly [string, string])[] = Array.from({ length: 30 }, (_, i) => {
  const names = ['Set-Cookie', 'X-Repeated', `X-Single-${i}`];
  return [names[i % 3] ?? '', `value-${i}`] as const;
});

export async function answer(request: Request): Promise<void> {
  const [name, argument] = splitOnce((request.request.url ?? '/').slice(1));
  const route = routes[name.split('?')[0] ?? ''];
  if (route) await route(request, argument);
  else request.response.writeHead(404).end();
}

/** The body of /bytes and of its like. */
export function pattern(length: number): Buffer {
  return Buffer.from(Uint8Array.from({ length }, (_, i) => i));
}

async function echo({ request, response }: Request): Promise<void> {
  const hash = createHash('sha256');
  let bodyBytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bodyBytes += chunk.length;
  }
  const headers = Array.from(
    { length: request.rawHeaders.length / 2 },
    (_, i) => [request.rawHeaders[2 * i] ?? '', request.rawHeaders[2 * i + 1] ?? ''] as const,
  );
  const { method = '', url: path = '' } = request;
  const body: Echo = { method, path, headers, bodyBytes, bodySha256: hash.digest('hex') };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(body));
}

async function mirror({ request, response }: Request): Promise<void> {
  response.setHeader('content-type', 'application/octet-stream');
  await pipeline(request, response);
}

async function stream(response: ServerResponse, mebibytes: number): Promise<void> {
  response.setHeader('content-length', String(mebibytes * MiB));
  const piece = pattern(64 * 1024);
  const pieces = Array.from({ length: mebibytes * 16 }, () => piece);
  await pipeline(Readable.from(pieces, { objectMode: false }), response);
}

const dripMs = 20;

async function drip({ response }: Request, count: string): Promise<void> {
  const begin = performance.now();
  const due = () => Math.min(Number(count), 1 + Math.floor((performance.now() - begin) / dripMs));
  for (let sent = 0; sent < Number(count) && !response.destroyed; ) {
    const now = due();
    response.write('.'.repeat(now - sent));
    sent = now;
    await pause(dripMs);
  }
  response.end();
}

function redirect(response: ServerResponse, status: number, location: string): void {
  response.writeHead(status, { location }).end();
}

function compressed(response: ServerResponse, coding: string, plain: Buffer): void {
  const body = coding === 'br' ? brotliCompressSync(plain) : gzipSync(plain);
  response.writeHead(200, { 'content-encoding': coding, 'content-length': String(body.length) }).end(body);
}

function splitOnce(path: string): [string, string] {
  const slash = path.indexOf('/');
  return slash === -1 ? [path, ''] : [path.slice(0, slash), path.slice(slash + 1)];
}
