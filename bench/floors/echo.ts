// The floor of a line: a WebSocket server that sends every message back.
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false }, () => {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', port: (server.address() as AddressInfo).port })}\n`);
});
server.on('connection', (socket) => {
  socket.on('message', (bytes: Buffer) => socket.send(bytes));
});
