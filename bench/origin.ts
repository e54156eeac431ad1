// The origin of the benchmarks, in a process of its own, as cheap as node:http can be. /page: 2 KiB and eight headers;
// /last: the same, and the connection ends; /mib/N: N MiB as fast as they are taken.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

const body = Buffer.alloc(2048, 'x');
const piece = Buffer.alloc(64 * 1024, 'x');
const headers = [
  ['Content-Type', 'text/html; charset=utf-8'],
  ['Content-Length', String(body.length)],
  ['Cache-Control', 'max-age=600'],
  ['ETag', '"5f3a-61c2b7d0e1a40"'],
  ['Vary', 'Accept-Encoding'],
  ['X-Request-Id', '4bf92f3577b34da6a3ce929d0e0e4736'],
].flat();

const server = createServer(({ url = '' }, response) => {
  const [, what, count] = url.split('/');
  if (what === 'mib') return stream(response, Number(count) * 16);
  if (what === 'last') response.shouldKeepAlive = false;
  // Node adds Date and Connection: eight in all.
  response.writeHead(200, headers);
  response.end(body);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', port: (server.address() as AddressInfo).port })}\n`);
});

function stream(response: ServerResponse, pieces: number): void {
  response.writeHead(200, { 'content-length': pieces * piece.length });
  let left = pieces;
  const write = () => {
    while (left > 0 && !response.destroyed) {
      left--;
      if (!response.write(piece)) break;
    }
    if (left === 0) response.end();
  };
  response.on('drain', write);
  write();
}
