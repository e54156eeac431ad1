// For tests: a pod written by hand. A real WebSocket server on this machine that speaks real frames, says only what a
// test tells it to say, and shows every frame that the agent sent.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { type WebSocket, WebSocketServer } from 'ws';
import type { OpenSchema, WelcomeSchema } from '../../../../gen/resproxy/v1/channel_pb.ts';
import { decodeFrame, encodeFrame, type FrameBody, type FrameBodyInit } from '../../../wire/codec.ts';
import { limits } from '../../../wire/limits.ts';
import { Inbox } from './inbox.ts';

export interface UpgradeRefusal {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

type Value<C extends FrameBody['case']> = Extract<FrameBody, { case: C }>['value'];

export class FakePod {
  readonly requests = new Inbox<IncomingMessage>();
  /** What the following upgrades meet. */
  upgrades: 'taken' | 'unanswered' | UpgradeRefusal = 'taken';
  readonly #server: Server;
  readonly #webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  readonly #connections = new Inbox<PodConnection>();
  readonly #sockets = new Set<Socket>();

  private constructor() {
    this.#server = createServer();
    this.#server.on('connection', (socket) => this.#sockets.add(socket));
    this.#server.on('upgrade', (request, socket, head) => {
      this.requests.put(request);
      socket.on('error', () => socket.destroy());
      if (this.upgrades === 'unanswered') return void socket.resume();
      if (this.upgrades !== 'taken') return void socket.end(refusalText(this.upgrades));
      this.#webSockets.handleUpgrade(request, socket, head, (ws) => this.#connections.put(new PodConnection(ws)));
    });
  }

  static async listen(): Promise<FakePod> {
    const pod = new FakePod();
    pod.#server.listen(0, '127.0.0.1');
    await once(pod.#server, 'listening');
    return pod;
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.#server.address() as AddressInfo).port}/agent`;
  }

  /** The next connection, before its HELLO. */
  connection(): Promise<PodConnection> {
    return this.#connections.take();
  }

  /** The next connection, after HELLO and WELCOME. */
  async welcomed(): Promise<PodConnection> {
    const connection = await this.connection();
    await connection.frame('hello');
    connection.welcome();
    return connection;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

export class PodConnection {
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  #muted = false;
  readonly #ws: WebSocket;
  readonly #frames = new Inbox<{ readonly streamId: number; readonly body: FrameBody }>();

  constructor(ws: WebSocket) {
    this.#ws = ws;
    this.closed = new Promise((resolve) => {
      ws.on('close', (code, reason) => resolve({ code, reason: reason.toString('utf8') }));
    });
    ws.on('message', (data: Buffer) => this.#onFrame(data));
  }

  send(streamId: number, body: FrameBodyInit): void {
    this.#ws.send(encodeFrame(streamId, body));
  }

  welcome(change: MessageInitShape<typeof WelcomeSchema> = {}): void {
    this.send(0, { case: 'welcome', value: { ...usualWelcome, ...change } });
  }

  /** Opens a stream with a GET. */
  open(streamId: number, change: MessageInitShape<typeof OpenSchema> = {}): void {
    this.send(streamId, { case: 'open', value: { ...usualOpen, jobId: `job-${streamId}`, ...change } });
  }

  /** The next frame but PING and PONG, which must be of this kind. */
  async frame<C extends FrameBody['case']>(kind: C): Promise<{ readonly streamId: number; readonly value: Value<C> }> {
    const { streamId, body } = await this.#frames.take();
    if (body.case !== kind) throw new Error(`a frame ${body.case} on ${streamId} instead of ${kind}`);
    return { streamId, value: body.value as Value<C> };
  }

  /** Frames that nobody asked for yet. */
  get unread(): number {
    return this.#frames.waiting.length;
  }

  close(code: number, reason = ''): void {
    this.#ws.close(code, reason);
  }

  /** As behind a dead link: nothing is answered any more. */
  mute(): void {
    this.#muted = true;
  }

  /** Reads nothing any more, not even a close frame. */
  stall(): void {
    this.#ws.pause();
  }

  /** As a cable that is cut. */
  breakOff(): void {
    this.#ws.terminate();
  }

  #onFrame(data: Buffer): void {
    const { streamId, body } = decodeFrame(data);
    if (this.#muted) return;
    if (body.case === 'ping') this.send(0, { case: 'pong', value: { nonce: body.value.nonce } });
    else if (body.case !== undefined && body.case !== 'pong') this.#frames.put({ streamId, body });
  }
}

const usualWelcome = {
  connectionId: 'connection-1',
  epoch: 1n,
  podId: 'pod-1',
  protocol: 1,
  idlePingMs: limits.idlePingMs,
  busyPingMs: limits.busyPingMs,
  idleDeadMs: limits.idleDeadMs,
  busyDeadMs: limits.busyDeadMs,
  maxStreams: 64,
  maxFrameBytes: limits.maxFrameBytes,
  connectionWindow: limits.initialConnectionWindowBytes,
  observedAddress: '198.51.100.7',
};

const usualOpen = {
  exit: 'direct',
  kind: { case: 'http', value: { method: 'GET', url: 'http://origin.example/secret/path?token=1' } },
  deadlineMs: 30_000,
  attempt: 1,
  isolationKey: new Uint8Array([1, 2, 255]),
  window: limits.initialStreamWindowBytes,
  end: true,
} as const;

function refusalText({ status, headers = {}, body = '' }: UpgradeRefusal): string {
  const lines = [`HTTP/1.1 ${status} Refused`, 'connection: close', `content-length: ${Buffer.byteLength(body)}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}
