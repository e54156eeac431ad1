// One connection to Redis, be it one server, what Sentinel calls the master, or a Cluster: the only file here that runs
// ioredis.
import { Cluster, Command, Redis } from 'ioredis';
import { type ConnectionPlan, clusterOptions, sentinelOptions, singleOptions } from './connection-options.ts';

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
  return new IoredisConnection(clientOf(plan), events);
}

class IoredisConnection implements Connection {
  readonly #client: Redis | Cluster;
  readonly #fault: (error: unknown) => void;
  #renewing = false;

  constructor(client: Redis | Cluster, events: ConnectionEvents) {
    this.#client = client;
    this.#fault = (error) => events.fault(error);
    // An overload for each event, and one for any: the union has none in common.
    const on = (event: string, listener: (error: unknown) => void) =>
      client instanceof Cluster ? client.on(event, listener) : client.on(event, listener);
    on('ready', () => events.ready());
    on('close', () => {
      this.#renewing = false;
      events.lost();
    });
    on('end', () => events.ended());
    for (const event of ['error', 'node error', 'sentinelError']) on(event, this.#fault);
  }

  connect(): void {
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
    const nodes = this.#client instanceof Cluster ? this.#client.nodes('master') : [this.#client];
    return Promise.all(
      nodes.map(async (node) => ({
        node: `${node.options.host}:${node.options.port}`,
        reply: await node.sendCommand(toCommand(command, args, 'text')),
      })),
    );
  }

  disconnect(): void {
    this.#client.disconnect();
  }

  /** Once per connection, however many commands ask for it (ioredis's reconnectOnError would do it for each). */
  #renew(): void {
    if (this.#renewing) return;
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
