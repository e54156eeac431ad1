// The agent's port of the floor's pods: a bare ws server for one agent.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';

export async function startAgentPort(onFrame: (bytes: Uint8Array) => void) {
  let agent: WebSocket | undefined;
  const agents = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
  agents.on('connection', (socket) => {
    agent = socket;
    socket.on('message', onFrame);
  });
  await once(agents, 'listening');
  return {
    port: (agents.address() as AddressInfo).port,
    send: (frame: Uint8Array) => agent?.send(frame),
  };
}
