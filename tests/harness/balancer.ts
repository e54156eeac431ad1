// A balancer as plain as a Kubernetes Service: it asks every pod's /readyz again and again, gives each new connection to
// the next pod that is ready, and leaves the connections that exist alone, whatever becomes of their pod's readiness.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Ports } from './pod.ts';

export interface Backend {
  readonly name: string;
  readonly ports: Ports;
  probe(path: '/readyz', boundMs: number): Promise<number | undefined>;
}

export type BalancedDoor = 'http' | 'grpc' | 'agent';

export interface BalancerOptions {
  /** The pods that there are at the moment, ready or not. */
  readonly backends: () => Iterable<Backend>;
  readonly checkMs?: number;
}

const probeBoundMs = 1_000;

export class Balancer {
  readonly #backends: () => Iterable<Backend>;
  readonly #checkMs: number;
  readonly #listeners: Readonly<Record<BalancedDoor, Server>>;
  readonly #sockets = new Set<Socket>();
  readonly #stopping = new AbortController();
  #ready: readonly Backend[] = [];
  #turn = 0;
  #checking: Promise<void> = Promise.resolve();

  private constructor({ backends, checkMs = 200 }: BalancerOptions) {
    this.#backends = backends;
    this.#checkMs = checkMs;
    const listener = (door: BalancedDoor) =>
      createServer({ allowHalfOpen: true, noDelay: true }, (client) => this.#accept(client, door));
    this.#listeners = { http: listener('http'), grpc: listener('grpc'), agent: listener('agent') };
  }

  /** Resolves when every pod was asked once. */
  static async start(options: BalancerOptions): Promise<Balancer> {
    const balancer = new Balancer(options);
    for (const listener of Object.values(balancer.#listeners)) {
      listener.listen(0, '127.0.0.1');
      await once(listener, 'listening');
    }
    await balancer.#check();
    balancer.#checking = balancer.#keepChecking();
    return balancer;
  }

  port(door: BalancedDoor): number {
    return (this.#listeners[door].address() as AddressInfo).port;
  }

  /** Names of the pods that get new connections. */
  get ready(): readonly string[] {
    return this.#ready.map(({ name }) => name);
  }

  async close(): Promise<void> {
    this.#stopping.abort();
    const closed = Object.values(this.#listeners).map((listener) => once(listener, 'close'));
    for (const listener of Object.values(this.#listeners)) listener.close();
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all([...closed, this.#checking]);
  }

  async #keepChecking(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await pause(this.#checkMs, undefined, { signal }).catch(() => {});
      await this.#check();
    }
  }

  async #check(): Promise<void> {
    const backends = [...this.#backends()];
    const answers = await Promise.all(backends.map((backend) => backend.probe('/readyz', probeBoundMs)));
    this.#ready = backends.filter((_, i) => answers[i] === 200);
  }

  #accept(client: Socket, door: BalancedDoor): void {
    client.on('error', () => {});
    const backend = this.#ready[this.#turn++ % this.#ready.length];
    if (!backend) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: backend.ports[door], host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    server.on('error', () => {});
    this.#tie(client, server);
    this.#tie(server, client);
  }

  /** What comes in on one side leaves on the other, its end included. */
  #tie(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.pipe(to);
    from.once('close', (hadError) => {
      this.#sockets.delete(from);
      if (hadError || !from.readableEnded) to.resetAndDestroy();
    });
  }
}
