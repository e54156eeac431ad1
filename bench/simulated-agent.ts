// As little as an agent can be: a WebSocket that says HELLO, answers PING, pings in its turn, and dials again when it is
// lost if that is asked of it, with the jitter of a real one. Thousands fit into a process.
import { create, toBinary } from '@bufbuild/protobuf';
import { WebSocket } from 'ws';
import { ExitKind, ExitState } from '../gen/resproxy/v1/agent_pb.ts';
import { FrameSchema } from '../gen/resproxy/v1/channel_pb.ts';
import { decodeFrame, encodeFrame } from '../internal/wire/codec.ts';
import { limits } from '../internal/wire/limits.ts';
import { subprotocol } from '../internal/wire/names.ts';

export interface SimulatedAgentOptions {
  /** Asked at every dial, since a fleet has several. */
  readonly url: () => string;
  readonly key: string;
  readonly name: string;
  readonly comesBack: boolean;
  readonly onWelcome: () => void;
  readonly onLost: (code: number) => void;
}

const firstRetryMs = 500;
const longestRetryMs = 30_000;

/** One of these after the other, as a balancer would: one in between would need two descriptors for each agent. */
export function byTurns(urls: readonly string[]): () => string {
  let turn = 0;
  return () => urls[turn++ % urls.length] ?? '';
}

export class SimulatedAgent {
  readonly #options: SimulatedAgentOptions;
  #socket: WebSocket | undefined;
  #dials = 0;
  #failures = 0;
  #welcomed = false;
  #closed = false;

  constructor(options: SimulatedAgentOptions) {
    this.#options = options;
  }

  dial(): void {
    const { url, key } = this.#options;
    const socket = new WebSocket(url(), subprotocol, {
      headers: { authorization: `Bearer ${key}` },
      perMessageDeflate: false,
      autoPong: false,
    });
    this.#socket = socket;
    this.#dials++;
    socket.on('open', () => socket.send(this.#hello()));
    socket.on('message', (bytes: Buffer) => this.#onFrame(socket, bytes));
    let nobodyThere = false;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      nobodyThere = error.code === 'ECONNREFUSED';
    });
    // A balancer gives nobody to a pod that is dead.
    socket.on('close', (code) => (nobodyThere && this.#options.comesBack ? this.dial() : this.#onClose(code)));
  }

  close(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }

  #onFrame(socket: WebSocket, bytes: Buffer): void {
    const { body } = decodeFrame(bytes);
    if (body.case === 'ping') socket.send(encodeFrame(0, { case: 'pong', value: { nonce: body.value.nonce } }));
    if (body.case !== 'welcome') return;
    this.#welcomed = true;
    this.#failures = 0;
    pingLater(socket);
    this.#options.onWelcome();
  }

  #onClose(code: number): void {
    if (this.#closed) return;
    if (this.#welcomed || !this.#options.comesBack) this.#options.onLost(code);
    this.#welcomed = false;
    if (!this.#options.comesBack) return;
    const mostMs = Math.min(longestRetryMs, firstRetryMs * 2 ** this.#failures++);
    setTimeout(() => this.#closed || this.dial(), Math.random() * mostMs);
  }

  #hello(): Uint8Array {
    const { name } = this.#options;
    const value = {
      agentName: name,
      instanceId: name,
      connectSeq: BigInt(this.#dials),
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
}

function pingLater(socket: WebSocket): void {
  const spread = 1 + limits.idlePingSpread * (2 * Math.random() - 1);
  setTimeout(() => {
    if (socket.readyState !== socket.OPEN) return;
    socket.send(encodeFrame(0, { case: 'ping', value: { nonce: 1 } }));
    pingLater(socket);
  }, limits.idlePingMs * spread);
}
