// A crowd of agents in one process, each as little as an agent can be: a WebSocket that says HELLO, answers PING and pings
// in its turn. Arguments: URL KEY COUNT PREFIX, the prefix of their names. It says when all are welcomed, and when one is
// lost. Towards the floor it greets as well, and is greeted back.
import { create, toBinary } from '@bufbuild/protobuf';
import { WebSocket } from 'ws';
import { ExitKind, ExitState } from '../gen/resproxy/v1/agent_pb.ts';
import { FrameSchema } from '../gen/resproxy/v1/channel_pb.ts';
import { decodeFrame, encodeFrame } from '../internal/wire/codec.ts';
import { limits } from '../internal/wire/limits.ts';
import { subprotocol } from '../internal/wire/names.ts';

const [, , url = '', key = '', count = '0', prefix = 'sim'] = process.argv;
/** Dials under way at once: honest agents come back spread out. */
const dialsAtOnce = 64;

let dialed = 0;
let welcomed = 0;

for (let i = 0; i < dialsAtOnce; i++) dialNext();

function dialNext(): void {
  if (dialed === Number(count)) return;
  dial(`${prefix}-${dialed++}`);
}

function dial(name: string): void {
  const socket = new WebSocket(url, subprotocol, {
    headers: { authorization: `Bearer ${key}` },
    perMessageDeflate: false,
    autoPong: false,
  });
  socket.on('open', () => socket.send(hello(name)));
  socket.on('message', (bytes: Buffer) => onFrame(socket, bytes));
  socket.on('error', () => {});
  socket.on('close', (code) => process.stdout.write(`${JSON.stringify({ msg: 'lost', name, code })}\n`));
}

function onFrame(socket: WebSocket, bytes: Buffer): void {
  const { body } = decodeFrame(bytes);
  if (body.case === 'ping') socket.send(encodeFrame(0, { case: 'pong', value: { nonce: body.value.nonce } }));
  if (body.case !== 'welcome') return;
  pingLater(socket);
  dialNext();
  if (++welcomed === Number(count)) process.stdout.write(`${JSON.stringify({ msg: 'all welcomed' })}\n`);
}

function pingLater(socket: WebSocket): void {
  const spread = 1 + limits.idlePingSpread * (2 * Math.random() - 1);
  setTimeout(() => {
    if (socket.readyState !== socket.OPEN) return;
    socket.send(encodeFrame(0, { case: 'ping', value: { nonce: 1 } }));
    pingLater(socket);
  }, limits.idlePingMs * spread);
}

function hello(agentName: string): Uint8Array {
  const value = {
    agentName,
    instanceId: agentName,
    connectSeq: 1n,
    protocolMin: 1,
    protocolMax: 1,
    version: '0.1.0',
    platform: 'linux-x64',
    streamWindow: limits.initialStreamWindowBytes,
    connectionWindow: limits.initialConnectionWindowBytes,
    exits: {
      generation: 1n,
      exits: [
        { name: 'direct', kind: ExitKind.DIRECT, state: ExitState.AVAILABLE, capacity: 8, labels: { country: 'DE' } },
      ],
    },
  };
  return toBinary(FrameSchema, create(FrameSchema, { streamId: 0, body: { case: 'hello', value } }));
}
