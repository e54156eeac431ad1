// The origin of the benchmarks, in a process of its own: 2 KiB and eight headers, as cheaply as node:http can.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const body = Buffer.alloc(2048, 'x');
const headers = [
  ['Content-Type', 'text/html; charset=utf-8'],
  ['Content-Length', String(body.length)],
  ['Cache-Control', 'max-age=600'],
  ['ETag', '"5f3a-61c2b7d0e1a40"'],
  ['Vary', 'Accept-Encoding'],
  ['X-Request-Id', '4bf92f3577b34da6a3ce929d0e0e4736'],
].flat();

const server = createServer((_request, response) => {
  // Node adds Date and Connection: eight in all.
  response.writeHead(200, headers);
  response.end(body);
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', port: (server.address() as AddressInfo).port })}\n`);
});
