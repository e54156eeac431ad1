// An agent that says what it likes: single frames, or bytes that are none, over a real WebSocket.

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { WebSocket } from 'ws';
import { ExitKind, ExitState } from '../../gen/resproxy/v1/agent_pb.ts';
import { ExitListSchema, type Frame, FrameSchema, type Hello } from '../../gen/resproxy/v1/channel_pb.ts';
import { subprotocol } from '../../internal/wire/names.ts';
import { until, within } from './waiting.ts';

type FrameInit = MessageInitShape<typeof FrameSchema>;
export type FrameBodyInit = NonNullable<FrameInit['body']>;
export type HelloInit = Omit<Partial<Hello>, '$typeName' | '$unknown'>;
type Case = Frame['body']['case'];

export class LyingAgent {
  readonly #socket: WebSocket;
  readonly #heard: Frame[] = [];
  #closeCode: number | undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (bytes: Buffer) => this.#heard.push(fromBinary(FrameSchema, bytes)));
    socket.on('close', (code) => {
      this.#closeCode = code;
    });
    socket.on('error', () => {});
  }

  /** Connects with a key that is right; what follows is up to the test. */
  static async connect(port: number, key: string): Promise<LyingAgent> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/agent`, subprotocol, {
      headers: { authorization: `Bearer ${key}` },
      perMessageDeflate: false,
    });
    const agent = new LyingAgent(socket);
    await within('the agent port takes the connection', 5_000, once(socket, 'open'));
    return agent;
  }

  /** Greets as an honest agent with one exit would, apart from `lies`, and waits for the welcome. */
  async greet(lies: HelloInit = {}): Promise<void> {
    this.say(0, { case: 'hello', value: { ...honestHello(), ...lies } });
    await this.hear('welcome');
  }

  say(streamId: number, body: FrameBodyInit): void {
    this.sayBytes(toBinary(FrameSchema, create(FrameSchema, { streamId, body })));
  }

  sayBytes(bytes: Uint8Array): void {
    this.#socket.send(bytes);
  }

  sayText(text: string): void {
    this.#socket.send(text);
  }

  /** The first frame of that kind; a connection that closes before it is an error. */
  hear<C extends Exclude<Case, undefined>>(kind: C): Promise<Frame & { body: { case: C } }> {
    return until(`the pod says ${kind}`, () => {
      const found = this.#heard.find(({ body }) => body.case === kind);
      if (!found && this.#closeCode !== undefined) throw new Error(`closed with ${this.#closeCode} before ${kind}`);
      return found as (Frame & { body: { case: C } }) | undefined;
    });
  }

  /** The code that the pod closes with. */
  closed(boundMs?: number): Promise<number> {
    return until('the pod closes the connection', () => this.#closeCode, boundMs);
  }

  async close(): Promise<void> {
    this.#socket.terminate();
  }
}

export function honestHello(): HelloInit {
  return {
    agentName: 'liar',
    // Another instance each time: connections of one instance would be ordered by connectSeq.
    instanceId: randomUUID(),
    connectSeq: 1n,
    protocolMin: 1,
    protocolMax: 1,
    version: '0.0.0',
    platform: 'test',
    streamWindow: 262_144,
    connectionWindow: 262_144,
    exits: create(ExitListSchema, {
      generation: 1n,
      exits: [{ name: 'direct', kind: ExitKind.DIRECT, state: ExitState.AVAILABLE, capacity: 8 }],
    }),
  };
}
