// A TCP proxy that misbehaves on command: distance, narrow lines, lost packets, resets, tiny writes, half-closed
// connections. It stands between an agent and a pod, where `tc netem` is often missing.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { Pipe, type Shape } from './fault-pipe.ts';

export type Direction = 'up' | 'down';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly pipes: Readonly<Record<Direction, Pipe>>;
}

const noShape: Shape = { latencyMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY, sliceBytes: Number.POSITIVE_INFINITY };

export class FaultProxy {
  readonly #listener: Server;
  readonly #targetPort: number;
  readonly #pairs = new Set<Pair>();
  readonly #shapes: Record<Direction, Shape> = { up: noShape, down: noShape };
  readonly #lost: Record<Direction, boolean> = { up: false, down: false };
  #refusing = false;
  #accepted = 0;

  private constructor(targetPort: number) {
    this.#targetPort = targetPort;
    // The proxy itself passes a FIN on; half-open sockets must not be ended behind its back.
    this.#listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Passes on to 127.0.0.1:targetPort, from a port of the system's choice unless `at` says where to listen. */
  static async start(targetPort: number, at = { host: '127.0.0.1', port: 0 }): Promise<FaultProxy> {
    const proxy = new FaultProxy(targetPort);
    proxy.#listener.listen(at.port, at.host);
    await once(proxy.#listener, 'listening');
    return proxy;
  }

  get port(): number {
    const address = this.#listener.address();
    if (address === null || typeof address === 'string') throw new Error('the fault proxy does not listen');
    return address.port;
  }

  /** Connections accepted so far, and those open now. */
  get accepted(): number {
    return this.#accepted;
  }

  get open(): number {
    return this.#pairs.size;
  }

  /** Changes the line for open and for later connections. */
  shape(direction: Direction | 'both', change: Partial<Shape>): void {
    for (const each of directions(direction)) {
      this.#shapes[each] = { ...this.#shapes[each], ...change };
      for (const { pipes } of this.#pairs) pipes[each].shape(this.#shapes[each]);
    }
  }

  /** Nothing passes any more, data, FIN and RST alike, and nobody is told. */
  blackhole(direction: Direction | 'both'): void {
    this.#setLost(direction, true);
  }

  /** What was held arrives late, as TCP would repeat it. */
  heal(): void {
    this.#setLost('both', false);
  }

  /** Breaks every open connection off with an RST to both ends. */
  reset(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  /** Sends a FIN in one direction of every open connection, after what is under way. */
  halfClose(direction: Direction): void {
    for (const { pipes } of this.#pairs) pipes[direction].end();
  }

  /** While refusing, a new connection is reset at once. */
  refuse(refusing: boolean): void {
    this.#refusing = refusing;
  }

  async close(): Promise<void> {
    const closed = once(this.#listener, 'close');
    this.#listener.close();
    for (const { client, server } of this.#pairs) {
      client.destroy();
      server.destroy();
    }
    await closed;
  }

  #accept(client: Socket): void {
    this.#accepted++;
    if (this.#refusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect({ port: this.#targetPort, host: '127.0.0.1', allowHalfOpen: true });
    const pipes = { up: new Pipe(client, server, this.#shapes.up), down: new Pipe(server, client, this.#shapes.down) };
    const pair = { client, server, pipes };
    this.#pairs.add(pair);
    for (const direction of directions('both')) pipes[direction].lose(this.#lost[direction]);
    this.#tieEnds(pair, client, server, 'up');
    this.#tieEnds(pair, server, client, 'down');
  }

  /** An end that breaks off takes the other with it, unless the line between them is dead. */
  #tieEnds(pair: Pair, from: Socket, to: Socket, direction: Direction): void {
    from.setNoDelay(true);
    from.on('error', () => {});
    from.on('close', (hadError) => {
      pair.pipes[direction].stop();
      if (from.destroyed && to.destroyed) this.#pairs.delete(pair);
      else if (hadError && !this.#lost[direction]) to.resetAndDestroy();
      else if (!this.#lost[direction]) pair.pipes[direction].end();
    });
  }

  #setLost(direction: Direction | 'both', lost: boolean): void {
    for (const each of directions(direction)) {
      this.#lost[each] = lost;
      for (const { pipes } of this.#pairs) pipes[each].lose(lost);
    }
  }
}

function directions(direction: Direction | 'both'): readonly Direction[] {
  return direction === 'both' ? ['up', 'down'] : [direction];
}
