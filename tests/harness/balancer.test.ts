import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { type Backend, Balancer } from './balancer.ts';
import { until } from './waiting.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Says its name to whoever connects, and echoes. */
class FakePod implements Backend {
  readonly name: string;
  readonly sockets: Socket[] = [];
  readonly ports;
  ready = true;

  private constructor(name: string, server: Server) {
    this.name = name;
    const { port } = server.address() as AddressInfo;
    this.ports = { http: port, grpc: port, agent: port, admin: port };
    server.on('connection', (socket) => {
      this.sockets.push(socket);
      socket.on('error', () => {});
      socket.write(name);
      socket.pipe(socket);
    });
  }

  static async start(name: string): Promise<FakePod> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const pod = new FakePod(name, server);
    closing.push(async () => {
      for (const socket of pod.sockets) socket.destroy();
      server.close();
    });
    return pod;
  }

  async probe(): Promise<number> {
    return this.ready ? 200 : 503;
  }
}

async function lab(...names: string[]) {
  const pods = await Promise.all(names.map((name) => FakePod.start(name)));
  const balancer = await Balancer.start({ backends: () => pods, checkMs: 5 });
  closing.push(() => balancer.close());
  return { pods, balancer };
}

async function dial(balancer: Balancer): Promise<{ socket: Socket; name: string }> {
  const socket = connect(balancer.port('http'), '127.0.0.1');
  closing.push(async () => socket.destroy());
  const [name] = await once(socket, 'data');
  return { socket, name: String(name) };
}

test('new connections go to the pods in turn', async () => {
  const { balancer } = await lab('a', 'b', 'c');
  const names = [];
  for (let i = 0; i < 6; i++) names.push((await dial(balancer)).name);
  expect(names).toEqual(['a', 'b', 'c', 'a', 'b', 'c']);
});

test('a pod that is not ready gets no new connection and keeps those it has', async () => {
  const { balancer, pods } = await lab('a', 'b');
  const { socket, name } = await dial(balancer);
  expect(name).toBe('a');
  for (const pod of pods) pod.ready = pod.name !== 'a';
  await until('the balancer knows', () => balancer.ready.length === 1);
  expect((await dial(balancer)).name).toBe('b');
  expect((await dial(balancer)).name).toBe('b');
  socket.write('still here');
  const [echo] = await once(socket, 'data');
  expect(String(echo)).toBe('still here');
});

test('without a ready pod a connection is broken off at once', async () => {
  const { balancer } = await lab();
  const socket = connect(balancer.port('grpc'), '127.0.0.1');
  const [error] = await once(socket, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });
});

test('a pod that dies takes its connections with it, and a client that leaves is told to the pod', async () => {
  const { balancer, pods } = await lab('a');
  const [pod] = pods;
  const first = await dial(balancer);
  const broken = once(first.socket, 'error');
  pod?.sockets[0]?.resetAndDestroy();
  expect((await broken)[0]).toMatchObject({ code: 'ECONNRESET' });
  const second = await dial(balancer);
  const left = once(pod?.sockets[1] as Socket, 'close');
  second.socket.destroy();
  await left;
});

test('a half-closed connection still brings the answer', async () => {
  const { balancer } = await lab('a');
  const { socket } = await dial(balancer);
  socket.end('the question');
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toBe('the question');
});
