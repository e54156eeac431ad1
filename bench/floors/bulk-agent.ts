// The floor of an agent that streams: takes a URL over ws, asks for it with undici, and sends the body back piece by
// piece as it comes; an empty message is its end. It waits while its socket is full. The pod's URL is its argument.
import { Agent, request } from 'undici';
import { WebSocket } from 'ws';

/** What the real agent lets wait in its socket. */
const fullBytes = 64 * 1024;

const dispatcher = new Agent({ allowH2: false });
const socket = new WebSocket(process.argv[2] ?? '', { perMessageDeflate: false });
socket.on('message', (url: Buffer) => void stream(url.toString()));
socket.on('open', () => process.stdout.write(`${JSON.stringify({ msg: 'connected' })}\n`));
socket.on('close', () => process.exit(0));

async function stream(url: string): Promise<void> {
  const { body } = await request(url, { dispatcher });
  for await (const piece of body as AsyncIterable<Buffer>) {
    if (socket.bufferedAmount + piece.length < fullBytes) socket.send(piece);
    else await new Promise((taken) => socket.send(piece, taken));
  }
  socket.send(Buffer.alloc(0));
}
