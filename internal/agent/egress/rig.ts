// What the tests of this room share: real origins, an egress that may reach them and nothing else, and a sink that
// writes down what it is told.
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type RequestListener } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { Connector, type ConnectorOptions } from '../../guard/connector.ts';
import { parseEndpoint } from '../../guard/endpoint.ts';
import { Guard } from '../../guard/guard.ts';
import { OwnNetwork } from '../../guard/own-network.ts';
import { systemClock } from '../../kit/clock.ts';
import { createLogger } from '../../kit/log.ts';
import { Egress, type EgressOptions } from './egress.ts';
import type {
  EgressExchange,
  EgressFailure,
  EgressHead,
  EgressRequest,
  EgressSink,
  RequestBody,
} from './egress-api.ts';

export interface Origin {
  readonly port: number;
  readonly url: string;
  /** Connections that were ever opened to it. */
  readonly connections: () => number;
}

/** Everything a test opened is closed by close(). */
export class Rig {
  readonly #closers: (() => Promise<unknown>)[] = [];
  readonly #ports: number[] = [];

  http(listener: RequestListener): Promise<Origin> {
    return this.listen(createHttpServer(listener));
  }

  /** Answers every connection with the raw text, when its first bytes have come. */
  raw(onRequest: (socket: Socket, nth: number) => void): Promise<Origin> {
    let nth = 0;
    return this.listen(
      createTcpServer((socket) => {
        const mine = ++nth;
        socket.on('data', () => onRequest(socket, mine));
      }),
    );
  }

  async listen(server: Server, scheme = 'http'): Promise<Origin> {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => sockets.add(socket.on('error', ignore)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    this.#ports.push(port);
    this.#closers.push(() => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    });
    return { port, url: `${scheme}://127.0.0.1:${port}`, connections: () => sockets.size };
  }

  /** A port that the egress may reach and where nobody listens. */
  async gone(): Promise<Origin> {
    const server = createTcpServer();
    const origin = await this.listen(server);
    await new Promise((resolve) => server.close(resolve));
    return origin;
  }

  /** Allowed exactly the origins that were made so far. */
  egress(options: Partial<EgressOptions> = {}, connect: Partial<ConnectorOptions> = {}): Egress {
    const clock = options.clock ?? systemClock;
    const own = new OwnNetwork({ clock, interfaces: () => ({}), gateways: () => [] });
    const allowEndpoints = this.#ports.map((port) => parseEndpoint(`127.0.0.1/32:${port}`));
    const guard = new Guard({ own, allowPorts: [80, 443], allowEndpoints });
    const connector = new Connector({ guard, clock, ...connect });
    const egress = new Egress({ connector, clock, logger: createLogger('test', 'silent'), ...options });
    this.#closers.push(() => egress.close());
    return egress;
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close();
    this.#ports.length = 0;
  }
}

export type Asked = Partial<EgressRequest> & { url: string };

export function request(asked: Asked): EgressRequest {
  const defaults = { method: 'GET', headers: [], maxRedirects: 0, decompress: false, maxResponseBytes: 0 };
  return { ...defaults, deadlineMs: 10_000, isolationKey: 'k', idempotent: asked.method !== 'POST', ...asked };
}

export function whole(bytes: Uint8Array | string = ''): RequestBody {
  return { first: Buffer.from(bytes), end: true, read: () => Promise.reject(new Error('read beyond the end')) };
}

/** Gives its first part with the head and the others when asked. */
export function streamed(chunks: readonly (Uint8Array | string)[], contentLength?: number): RequestBody {
  const [first = '', ...rest] = chunks.map((chunk) => Buffer.from(chunk));
  const known = contentLength === undefined ? {} : { contentLength };
  return { first: Buffer.from(first), end: false, read: async () => rest.shift(), ...known };
}

/** Writes down every call, and can be waited for. */
export class Recorder implements EgressSink {
  readonly calls: string[] = [];
  head_: EgressHead | undefined;
  failure: EgressFailure | undefined;
  readonly chunks: Uint8Array[] = [];
  /** What data() answers. */
  taking = true;
  readonly #over = Promise.withResolvers<void>();
  readonly #headCame = Promise.withResolvers<void>();

  head(head: EgressHead): void {
    this.calls.push('head');
    this.head_ = head;
    this.#headCame.resolve();
  }

  data(bytes: Uint8Array): boolean {
    this.calls.push('data');
    this.chunks.push(Buffer.from(bytes));
    return this.taking;
  }

  end(): void {
    this.calls.push('end');
    this.#over.resolve();
  }

  fail(failure: EgressFailure): void {
    this.calls.push('fail');
    this.failure = failure;
    this.#over.resolve();
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get over(): Promise<void> {
    return this.#over.promise;
  }

  get headCame(): Promise<void> {
    return this.#headCame.promise;
  }
}

export interface Answer {
  readonly status: number | undefined;
  readonly headers: EgressHead['headers'];
  readonly head: EgressHead | undefined;
  readonly body: Buffer;
  readonly failure: EgressFailure | undefined;
  readonly calls: readonly string[];
}

export async function ask(egress: Egress, asked: Asked, body: RequestBody = whole()): Promise<Answer> {
  const sink = new Recorder();
  egress.run(request(asked), body, sink);
  await sink.over;
  const { head_: head, failure, calls } = sink;
  return { status: head?.statusCode, headers: head?.headers ?? [], head, body: sink.body, failure, calls };
}

export function begin(
  egress: Egress,
  asked: Asked,
  body: RequestBody = whole(),
): { exchange: EgressExchange; sink: Recorder } {
  const sink = new Recorder();
  return { exchange: egress.run(request(asked), body, sink), sink };
}

/** Reads a request's body to its end. */
export function onBody(message: IncomingMessage, then: (body: Buffer) => void): void {
  const parts: Buffer[] = [];
  message.on('data', (part: Buffer) => parts.push(part)).on('end', () => then(Buffer.concat(parts)));
}

function ignore(): void {}
