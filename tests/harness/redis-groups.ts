// Redis as operators run it when one server is not enough: a master and a replica watched by three Sentinels, and a
// Cluster of three masters.
import { freePort, RedisServer } from './redis.ts';
import { until } from './waiting.ts';

const masterName = 'main';
/** A master that is silent for so long is failed over. */
const downAfterMs = 500;
const slots = 16_384;

export class RedisSentinels {
  readonly #servers: readonly RedisServer[];
  readonly #sentinels: readonly RedisServer[];

  private constructor(servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.#servers = servers;
    this.#sentinels = sentinels;
  }

  static async start(): Promise<RedisSentinels> {
    const master = await RedisServer.start();
    const replica = await RedisServer.start({ config: [`replicaof 127.0.0.1 ${master.port}`] });
    const config = [
      `sentinel monitor ${masterName} 127.0.0.1 ${master.port} 2`,
      `sentinel down-after-milliseconds ${masterName} ${downAfterMs}`,
      `sentinel failover-timeout ${masterName} 3000`,
    ];
    const sentinels = await Promise.all([1, 2, 3].map(() => RedisServer.start({ sentinel: true, config })));
    const group = new RedisSentinels([master, replica], sentinels);
    await group.#settled();
    return group;
  }

  get url(): string {
    return `redis+sentinel://${this.#sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${masterName}`;
  }

  /** The server that the Sentinels call the master now. */
  async master(): Promise<RedisServer> {
    const [sentinel] = this.#sentinels;
    const answer = await sentinel?.cli('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName);
    const master = this.#servers.find(({ port }) => answer?.endsWith(`\n${port}`));
    if (!master) throw new Error(`the Sentinels call none of ours their master: ${answer}`);
    return master;
  }

  /** A planned failover; resolves with the new master once it takes writes. */
  async failover(): Promise<RedisServer> {
    const before = await this.master();
    await this.#sentinels[0]?.cli('SENTINEL', 'FAILOVER', masterName);
    return this.promoted(before);
  }

  /** Resolves once another server than that one is master and takes writes. */
  promoted(before: RedisServer): Promise<RedisServer> {
    return until('another master', async () => {
      const master = await this.master();
      return master !== before && (await master.cli('ROLE')).startsWith('master') && master;
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#sentinels, ...this.#servers].map((server) => server.close()));
  }

  async #settled(): Promise<void> {
    for (const sentinel of this.#sentinels) {
      await until('each Sentinel knows the replica and the other two', async () => {
        const fields = (await sentinel.cli('SENTINEL', 'MASTER', masterName)).split('\n');
        const field = (name: string) => fields[fields.indexOf(name) + 1];
        return field('num-slaves') === '1' && field('num-other-sentinels') === '2';
      });
    }
    const master = await this.master();
    await until('the replica follows', async () => (await master.cli('INFO', 'replication')).includes('state=online'));
  }
}

export class RedisCluster {
  readonly nodes: readonly RedisServer[];

  private constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
  }

  static async start(): Promise<RedisCluster> {
    const config = ['cluster-enabled yes', 'cluster-node-timeout 2000', 'cluster-require-full-coverage no'];
    const busPorts = [await freePort(), await freePort(), await freePort()];
    const nodes = await Promise.all(
      busPorts.map((busPort) => RedisServer.start({ config: [...config, `cluster-port ${busPort}`] })),
    );
    const cluster = new RedisCluster(nodes);
    await cluster.#join(busPorts);
    return cluster;
  }

  get url(): string {
    return `redis+cluster://${this.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** The node that holds the key. */
  async holderOf(key: string): Promise<RedisServer> {
    const slot = Number(await this.nodes[0]?.cli('CLUSTER', 'KEYSLOT', key));
    const holder = this.nodes[rangeIndexOf(slot)];
    if (!holder) throw new Error(`no node holds slot ${slot}`);
    return holder;
  }

  /** Moves the slot of a key to another node, with its keys, as `redis-cli --cluster reshard` does. */
  async move(key: string, to: RedisServer): Promise<void> {
    const from = await this.holderOf(key);
    const slot = await from.cli('CLUSTER', 'KEYSLOT', key);
    const [fromId, toId] = [await from.cli('CLUSTER', 'MYID'), await to.cli('CLUSTER', 'MYID')];
    await to.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await from.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    const keys = (await from.cli('CLUSTER', 'GETKEYSINSLOT', slot, '1000')).split('\n').filter((name) => name !== '');
    if (keys.length > 0) await from.cli('MIGRATE', '127.0.0.1', String(to.port), '', '0', '5000', 'KEYS', ...keys);
    for (const node of [to, from]) await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.close()));
  }

  async #join(busPorts: readonly number[]): Promise<void> {
    for (const [index, node] of this.nodes.entries()) {
      await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
      await node.cli('CLUSTER', 'ADDSLOTSRANGE', ...rangeOf(index));
      await this.nodes[0]?.cli('CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(busPorts[index]));
    }
    for (const node of this.nodes) {
      await until('the nodes agree', async () => {
        const info = await node.cli('CLUSTER', 'INFO');
        return info.includes('cluster_state:ok') && info.includes(`cluster_slots_assigned:${slots}`);
      });
    }
  }
}

/** Three ranges of about one size. */
function rangeOf(index: number): [string, string] {
  return [String(Math.floor((slots * index) / 3)), String(Math.floor((slots * (index + 1)) / 3) - 1)];
}

function rangeIndexOf(slot: number): number {
  return [0, 1, 2].findIndex((index) => slot <= Number(rangeOf(index)[1]));
}
