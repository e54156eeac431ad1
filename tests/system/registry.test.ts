// Many pods that share one registry, on a real Redis: whatever happens to pods and to Redis, every view ends up with
// exactly the connections that exist.
import { describe, expect } from '@jest/globals';
import { systemClock } from '../../internal/kit/clock.ts';
import { registryBehaviours } from '../../internal/orchestrator/registry/registry-suite.ts';
import { timed } from '../harness/goals.ts';
import { RedisServer } from '../harness/redis.ts';
import { RedisCluster, RedisSentinels } from '../harness/redis-groups.ts';
import { agreed, RegistryPod } from '../harness/registry-pod.ts';
import { type Closable, shared, story, type Use } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

async function podsOn(use: Use, url: string, count = 3): Promise<RegistryPod[]> {
  const names = Array.from({ length: count }, (_, index) => `pod-${index + 1}`);
  return Promise.all(names.map(async (podId) => use(await RegistryPod.up({ url, podId }))));
}

function first(pods: readonly RegistryPod[]): [RegistryPod, RegistryPod, RegistryPod] {
  const [a, b, c] = pods;
  if (!a || !b || !c) throw new Error('three pods are needed');
  return [a, b, c];
}

interface Redis extends Closable {
  readonly url: string;
}

const kinds: readonly (readonly [where: string, from: 'here' | 'there', start: () => Promise<Redis>])[] = [
  ['from another pod', 'there', () => RedisServer.start()],
  ['from the same pod', 'here', () => RedisServer.start()],
  ['from another pod, by a Cluster', 'there', () => RedisCluster.start()],
  ['from another pod, by Sentinel', 'there', () => RedisSentinels.start()],
];

describe.each(kinds)('seen %s', (_where, from, start) => {
  const redis = shared((use) => start().then(use));
  let run = 0;

  for (const { name, check } of registryBehaviours) {
    story(name, async (use) => {
      const keyPrefix = `suite-${++run}`;
      const { url } = redis();
      const here = use(await RegistryPod.up({ url, podId: 'pod-1', keyPrefix }));
      const seen = from === 'here' ? here : use(await RegistryPod.up({ url, podId: 'pod-2', keyPrefix }));
      const settled = async () => {
        await until('all is in Redis', () => here.registry.figures.publishQueue === 0);
        const changes = await here.changes();
        await until('all is in the view', () => seen.registry.change >= changes);
      };
      await check({ registry: here.registry, directory: seen.memory, fleet: seen.fleet, settled });
    });
  }
});

story('a connection is seen by every pod within moments, and its end as well', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b] = first(pods);
  const made = a.connect('key/one');
  await agreed(pods, 1_000);
  expect(b.memory.get('acme', 'key/one')).toMatchObject({ podId: 'pod-1', status: 'available' });
  a.disconnect(made.connectionId);
  await agreed(pods, 1_000);
});

story('a pod that stops is gone from the views at once, and leaves nothing in Redis', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b, c] = first(pods);
  for (let i = 0; i < 50; i++) a.connect(`key/agent-${i}`);
  await agreed(pods);
  await a.close();
  await agreed(
    [b, c].map((pod) => pod),
    500,
  );
  expect([...b.pods].map(({ podId }) => podId)).toEqual(['pod-3']);
  expect(await server.cli('HLEN', '{rp:reg}:newest')).toBe('0');
  expect(await server.cli('ZCARD', '{rp:reg}:leases')).toBe('2');
  expect((await server.cli('KEYS', '*held*')).trim()).toBe('');
});

story('a pod that dies is gone from the views within its lease, and from Redis soon after', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b, c] = first(pods);
  for (let i = 0; i < 50; i++) a.connect(`key/agent-${i}`);
  c.connect('key/other');
  await agreed(pods);
  a.part();
  a.open.clear();
  await agreed([b, c], 6_000);
  await until('Redis is cleared', async () => (await server.cli('HLEN', '{rp:reg}:newest')) === '1');
  await until('its seat is gone', async () => (await server.cli('ZCARD', '{rp:reg}:leases')) === '2');
});

story('a pod that was frozen for longer than its lease comes back with what it still holds', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b, c] = first(pods);
  const kept = a.connect('key/kept');
  const moved = a.connect('key/moved', { instanceId: 'i', connectSeq: 1n });
  await agreed(pods);
  a.part();
  await until('the others dropped it', () => b.memory.get('acme', 'key/kept') === undefined, 8_000);
  b.connect('key/moved', { instanceId: 'i', connectSeq: 2n });
  a.rejoin();
  await agreed([a, b, c]);
  expect(b.memory.get('acme', 'key/kept')?.connectionId).toBe(kept.connectionId);
  expect(a.rivals).toContain(`${moved.connectionId} pod-2`);
  expect(a.open.has(moved.connectionId)).toBe(false);
});

story('two programs of one name on two pods: the newest wins each time, on both', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b] = first(pods);
  for (let round = 0; round < 5; round++) {
    for (const [pod, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const made = pod.connect('key/one', { instanceId: `on-${pod.podId}` });
      await until('the older one is fenced', () => other.open.size === 0);
      await agreed(pods);
      expect([...pod.open.keys()]).toEqual([made.connectionId]);
    }
  }
});

story('connections of one program are ordered by its own count, and one that drains may stay', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b, c] = first(pods);
  const older = a.connect('key/one', { instanceId: 'i', connectSeq: 1n });
  await agreed(pods);
  older.draining = true;
  a.registry.put(older);
  const newer = b.connect('key/one', { instanceId: 'i', connectSeq: 2n });
  await agreed(pods);
  expect(c.memory.get('acme', 'key/one')?.connectionId).toBe(newer.connectionId);
  const late = c.connect('key/one', { instanceId: 'i', connectSeq: 0n });
  await until('the late one hears', () => !c.open.has(late.connectionId));
  await agreed(pods);
  expect(a.open.has(older.connectionId)).toBe(true);
});

story('clocks five minutes apart change nothing', async (use) => {
  const off = (ms: number) => ({ ...systemClock, wallMs: () => Date.now() + ms });
  const server = use(await RedisServer.start());
  const early = use(await RegistryPod.up({ url: server.url, podId: 'pod-1', clock: off(-300_000) }));
  const late = use(await RegistryPod.up({ url: server.url, podId: 'pod-2', clock: off(300_000) }));
  for (const [pod, other] of [
    [late, early],
    [early, late],
    [late, early],
  ] as const) {
    pod.connect('key/one', { instanceId: `on-${pod.podId}`, epoch: pod.podId === 'pod-2' ? 4e15 : 1 });
    await until('the older one is fenced', () => other.open.size === 0);
    await agreed([early, late]);
  }
  const seen = early.memory.get('acme', 'key/one');
  expect(Math.abs((seen?.connectedAt ?? 0) - (Date.now() - 300_000))).toBeLessThan(100_000);
});

story('Redis killed and started again with its data: what happened meanwhile is told', (use) => restarted(use, 'aof'));
story('Redis killed and started again without its data: all is told again', (use) => restarted(use, 'none'));

async function restarted(use: Use, persistence: 'aof' | 'none'): Promise<void> {
  const server = use(await RedisServer.start({ persistence }));
  const pods = await podsOn(use, server.url);
  const [a, b, c] = first(pods);
  for (const pod of pods) for (let i = 0; i < 20; i++) pod.connect(`key/${pod.podId}-${i}`);
  await agreed(pods);
  const known = b.memory.list('acme').length;
  await server.kill();
  const duringOutage = a.connect('key/new');
  for (const made of [...c.open.values()].slice(0, 5)) c.disconnect(made.connectionId);
  expect(a.fleet.byId('key/new/direct')?.open).toBe(true);
  expect(b.memory.list('acme')).toHaveLength(known);
  await server.restart();
  await until('b has heard of it', () => b.memory.get('acme', 'key/new')?.connectionId === duringOutage.connectionId);
  await agreed(pods);
}

story('FLUSHALL costs nobody an agent', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  for (const pod of pods) for (let i = 0; i < 20; i++) pod.connect(`key/${pod.podId}-${i}`);
  await agreed(pods);
  const linked = pods.map((pod) => [...pod.pods]);
  await server.cli('FLUSHALL');
  const end = performance.now() + 6_000;
  while (performance.now() < end) {
    for (const pod of pods) expect(pod.memory.list('acme')).toHaveLength(60);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await agreed(pods);
  expect(pods.map((pod) => [...pod.pods])).toEqual(linked);
  expect(await server.cli('HLEN', '{rp:reg}:newest')).toBe('60');
});

story('Redis stopped for longer than a lease: nobody is taken for dead', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b] = first(pods);
  for (const pod of pods) for (let i = 0; i < 20; i++) pod.connect(`key/${pod.podId}-${i}`);
  await agreed(pods);
  let fewest = 60;
  const watched = setInterval(() => {
    for (const pod of pods) fewest = Math.min(fewest, pod.memory.list('acme').length);
  }, 10);
  server.stop();
  await new Promise((resolve) => setTimeout(resolve, 6_000));
  const made = a.connect('key/new');
  server.cont();
  await until('b has heard of it', () => b.memory.get('acme', 'key/new')?.connectionId === made.connectionId);
  await agreed(pods);
  clearInterval(watched);
  expect(fewest).toBe(60);
});

story('a pod that fell out of the kept changes reads everything again', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b, c] = first(pods);
  const ended = a.connect('key/ended');
  await agreed(pods);
  const { snapshots } = c.registry.figures;
  c.part('changes');
  a.disconnect(ended.connectionId);
  a.connect('key/one');
  await agreed([a, b], 2_000);
  await server.cli('XTRIM', '{rp:reg}:changes', 'MAXLEN', '0');
  c.rejoin();
  await agreed(pods);
  expect(c.registry.figures.snapshots).toBe(snapshots + 1);
});

story('at rest each pod makes two commands per second, whatever it holds', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  for (const pod of pods) for (let i = 0; i < 200; i++) pod.connect(`key/${pod.podId}-${i}`);
  await agreed(pods);
  const commands = () => pods.reduce((sum, pod) => sum + pod.commands, 0);
  const before = commands();
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  expect(commands() - before).toBeGreaterThan(0);
  expect(commands() - before).toBeLessThanOrEqual(3 * 8);
});

story('an agent that another pod has just taken is found by a look', async (use) => {
  const server = use(await RedisServer.start());
  const pods = await podsOn(use, server.url);
  const [a, b] = first(pods);
  const made = a.connect('key/one');
  await until('registered', () => a.registry.figures.publishQueue === 0);
  await b.registry.refresh('key/one');
  expect(b.memory.get('acme', 'key/one')?.connectionId).toBe(made.connectionId);
  await server.kill();
  await timed('a look while Redis is away', 1_000, b.registry.refresh('key/unknown'));
});

story('on a Cluster every script stays in one slot', async (use) => {
  const cluster = use(await RedisCluster.start());
  const pods = await podsOn(use, cluster.url);
  const [a, b] = first(pods);
  for (let i = 0; i < 20; i++) a.connect(`key/agent-${i}`);
  await agreed(pods);
  await b.registry.refresh('key/agent-1');
  await a.close();
  a.open.clear();
  await agreed(pods.slice(1), 2_000);
});

story('with Sentinel a failover in the middle loses nothing', async (use) => {
  const sentinels = use(await RedisSentinels.start());
  const pods = await podsOn(use, sentinels.url);
  for (const pod of pods) for (let i = 0; i < 20; i++) pod.connect(`key/${pod.podId}-${i}`);
  await agreed(pods);
  const failed = sentinels.failover();
  for (const pod of pods) for (let i = 20; i < 40; i++) pod.connect(`key/${pod.podId}-${i}`);
  await failed;
  await agreed(pods, 20_000);
});
