// One connection to Redis, be it one server, what Sentinel calls the master, or a Cluster. ioredis is run here, and by
// the watch of the Sentinels.
import { Cluster, Command, Redis } from 'ioredis';
import { type ConnectionPlan, clusterOptions, sentinelOptions, singleOptions } from './connection-options.ts';
import type { RedisUrl } from './redis-url.ts';
import { SentinelWatch } from './sentinel-watch.ts';

export type RedisArgument = string | number | Buffer;
export type ReplyForm = 'text' | 'bytes';

/** What a connection tells of itself. */
export interface ConnectionEvents {
  ready(): void;
  /** It was lost, or could not be made; unless `ended` follows it is made anew. */
  lost(): void;
  /** It does not try any more. */
  ended(): void;
  fault(error: unknown): void;
}

export interface NodeReply {
  readonly node: string;
  readonly reply: unknown;
}

export interface Connection {
  connect(): void;
  send(command: string, args: readonly RedisArgument[], form: ReplyForm): Promise<unknown>;
  /** Asks the server, or every master of a Cluster. */
  sendToEach(command: string, args: readonly RedisArgument[]): Promise<readonly NodeReply[]>;
  disconnect(): void;
}

export function openConnection(plan: ConnectionPlan, events: ConnectionEvents): Connection {
  return new IoredisConnection(plan, events);
}

class IoredisConnection implements Connection {
  readonly #client: Redis | Cluster;
  /** Of the one server, or what stands for it. */
  readonly #name: string;
  readonly #watch: SentinelWatch | undefined;
  readonly #fault: (error: unknown) => void;
  #renewing = false;

  constructor(plan: ConnectionPlan, events: ConnectionEvents) {
    const { url } = plan;
    this.#client = clientOf(plan);
    this.#name = nameOf(url);
    this.#watch = url.kind === 'sentinel' ? new SentinelWatch({ ...plan, url }, () => this.#renew()) : undefined;
    this.#fault = (error) => events.fault(error);
    this.#on('ready', () => events.ready());
    this.#on('close', () => {
      this.#renewing = false;
      events.lost();
    });
    this.#on('end', () => {
      this.#renewing = false;
      events.ended();
    });
    for (const event of ['error', 'node error', 'sentinelError']) this.#on(event, this.#fault);
  }

  connect(): void {
    this.#watch?.start();
    this.#client.connect().catch(this.#fault);
  }

  async send(command: string, args: readonly RedisArgument[], form: ReplyForm): Promise<unknown> {
    try {
      return await this.#client.sendCommand(toCommand(command, args, form));
    } catch (error) {
      if (isDemoted(error)) this.#renew();
      throw error;
    }
  }

  async sendToEach(command: string, args: readonly RedisArgument[]): Promise<readonly NodeReply[]> {
    const client = this.#client;
    if (!(client instanceof Cluster)) return [{ node: this.#name, reply: await this.send(command, args, 'text') }];
    return Promise.all(
      client.nodes('master').map(async (node) => ({
        node: `${node.options.host}:${node.options.port}`,
        reply: await node.sendCommand(toCommand(command, args, 'text')),
      })),
    );
  }

  disconnect(): void {
    this.#watch?.close();
    this.#client.disconnect();
  }

  /** An overload for each event, and one for any: the two kinds of client have none in common. */
  #on(event: string, listener: (error: unknown) => void): void {
    if (this.#client instanceof Cluster) this.#client.on(event, listener);
    else this.#client.on(event, listener);
  }

  /** Once per connection, however many commands ask for it (ioredis's reconnectOnError would do it for each). */
  #renew(): void {
    const connected = this.#client.status === 'ready' || this.#client.status === 'connect';
    if (this.#renewing || !connected) return;
    this.#renewing = true;
    this.#client.disconnect(true);
  }
}

/** The master of before became a replica: whoever is master now is found by connecting anew. */
function isDemoted(error: unknown): boolean {
  return error instanceof Error && /^(?:READONLY|UNBLOCKED|MASTERDOWN) /.test(error.message);
}

function toCommand(command: string, args: readonly RedisArgument[], form: ReplyForm): Command {
  return new Command(command, [...args], { replyEncoding: form === 'text' ? 'utf8' : null });
}

function nameOf(url: RedisUrl): string {
  return url.kind === 'single' ? `${url.address.host}:${url.address.port}` : `the ${url.kind} of REDIS_URL`;
}

function clientOf(plan: ConnectionPlan): Redis | Cluster {
  const { url } = plan;
  switch (url.kind) {
    case 'single':
      return new Redis(singleOptions({ ...plan, url }));
    case 'sentinel':
      return new Redis(sentinelOptions({ ...plan, url }));
    case 'cluster':
      return new Cluster(
        url.nodes.map(({ host, port }) => ({ host, port })),
        clusterOptions(plan),
      );
  }
}
