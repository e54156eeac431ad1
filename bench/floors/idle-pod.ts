// The floor of a pod with idle agents: a bare ws server that takes every connection, welcomes it, answers pings and keeps
// nothing but the WebSocket.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { decodeFrame, encodeFrame } from '../../internal/wire/codec.ts';

const server = createServer();
const webSockets = new WebSocketServer({ server, perMessageDeflate: false, clientTracking: true, autoPong: false });
const welcome = encodeFrame(0, { case: 'welcome', value: {} });
webSockets.on('connection', (socket) => {
  socket.on('message', (bytes: Buffer) => {
    const { body } = decodeFrame(bytes);
    if (body.case === 'hello') socket.send(welcome);
    if (body.case === 'ping') socket.send(encodeFrame(0, { case: 'pong', value: { nonce: body.value.nonce } }));
  });
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4_096 }, () => {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', port: (server.address() as AddressInfo).port })}\n`);
});
