// The job store in a real Redis: what every store must do, the model beside it, and what can happen to a Redis.
import { expect } from '@jest/globals';
import { systemClock } from '../../internal/kit/clock.ts';
import type { JobStore } from '../../internal/orchestrator/jobs/job-store.ts';
import { openRedisJobStore } from '../../internal/orchestrator/jobs/redis/redis-store.ts';
import { ending } from '../../internal/orchestrator/jobs/suite/ending.ts';
import { holding } from '../../internal/orchestrator/jobs/suite/holding.ts';
import { behavesLikeTheModel } from '../../internal/orchestrator/jobs/suite/model.ts';
import { storeBehaviours } from '../../internal/orchestrator/jobs/suite/store-suite.ts';
import {
  type Behaviour,
  bytes,
  claimIds,
  claimOne,
  job,
  ref,
  sent,
  stateOf,
  succeed,
  suiteSettings,
} from '../../internal/orchestrator/jobs/suite/subject.ts';
import { submitting } from '../../internal/orchestrator/jobs/suite/submitting.ts';
import { waiting } from '../../internal/orchestrator/jobs/suite/waiting.ts';
import { RedisServer } from '../harness/redis.ts';
import { TestClient } from '../harness/redis-client.ts';
import { RedisCluster } from '../harness/redis-groups.ts';
import { story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

interface Given {
  readonly now?: () => number;
  readonly partitions?: number;
  readonly prefix?: string;
  readonly follower?: TestClient;
}

let stores = 0;

/** A store of its own, unless the prefix says which. */
function open(client: TestClient, { now, partitions = 1, prefix, follower = client }: Given = {}): Promise<JobStore> {
  return openRedisJobStore({
    redis: client.redis,
    follower: follower.redis,
    clock: systemClock,
    prefix: prefix ?? `rp${++stores}`,
    partitions,
    settings: suiteSettings,
    ...(now && { now }),
  });
}

async function show(behaviours: readonly Behaviour[], client: TestClient, partitions: number): Promise<void> {
  for (const { name, check } of behaviours) {
    let now = 1_700_000_000_000;
    const store = await open(client, { now: () => now, partitions });
    const advance = (ms: number) => {
      now += ms;
    };
    await check({ store, advance }).catch((cause) => {
      throw new Error(name, { cause });
    });
  }
}

story('does what every store of jobs does', async (use) => {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  await show(storeBehaviours, use(await TestClient.up(server.url)), 1);
});

story('behaves like the model whatever happens', async (use) => {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const client = use(await TestClient.up(server.url));
  const subject = async (now: () => number) => ({ store: await open(client, { now }), end: async () => {} });
  await behavesLikeTheModel({ subject, runs: 60 });
});

story('is spread over a Cluster, each tenant whole', async (use) => {
  const cluster = use(await RedisCluster.start());
  const client = use(await TestClient.up(cluster.url));
  await show([...submitting, ...waiting, ...holding, ...ending], client, 16);
  const store = await open(client, { partitions: 16 });
  const tenants = Array.from({ length: 20 }, (_, i) => `tenant-${i}`);
  for (const tenant of tenants) await store.submit(job({ tenant, jobId: tenant }));
  expect(await store.oldest()).toEqual([{ waitingFor: 'claim', priority: 5, waitedMs: expect.any(Number) }]);
  expect((await claimIds(store, 64)).sort()).toEqual([...tenants].sort());
  expect(await store.depth()).toEqual([{ state: 'LEASED', priority: 5, jobs: 20 }]);
});

story('refuses to be opened with another number of partitions', async (use) => {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const client = use(await TestClient.up(server.url));
  await open(client, { prefix: 'rp', partitions: 4 });
  await open(client, { prefix: 'rp', partitions: 4 });
  await expect(open(client, { prefix: 'rp' })).rejects.toThrow('has 4 partitions and not 1');
});

story('full: takes nothing new, and ends what it has', async (use) => {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const client = use(await TestClient.up(server.url));
  const store = await open(client);
  const lease = await sent(store);
  const other = await sent(store, { jobId: 'j2' });
  await store.submit(job({ jobId: 'j3' }));
  await client.redis.call('CONFIG', ['SET', 'maxmemory', '1']);
  await expect(store.submit(job({ jobId: 'j4' }))).rejects.toMatchObject({ code: 'STORE_FULL' });
  await expect(store.putChunk(lease, 0, bytes('body'))).rejects.toMatchObject({ code: 'STORE_FULL' });
  expect(await store.running(lease)).toBe('ok');
  expect(await succeed(store, lease)).toBe('ok');
  const failure = { code: 'STORE_FULL', detail: '', execution: 'DONE' } as const;
  const attempt = { attempt: 1, exitId: 'key/a/direct', failure, durationMs: 1 };
  expect(await store.finish(other, { state: 'FAILED', failure, attempt })).toBe('ok');
  expect((await claimOne(store)).job.jobId).toBe('j3');
  expect((await store.cancel(ref('j3'))).kind).toBe('cancelled');
  await client.redis.call('CONFIG', ['SET', 'maxmemory', '0']);
  expect((await store.submit(job({ jobId: 'j4' }))).kind).toBe('created');
});

story('killed: fails at once, and knows afterwards what it was told before', async (use) => {
  const server = use(await RedisServer.start());
  const client = use(await TestClient.up(server.url));
  const store = await open(client);
  const lease = await sent(store, { idempotent: false });
  await server.kill();
  await client.isDown();
  await expect(store.submit(job({ jobId: 'j2' }))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  await server.restart();
  await client.isUp();
  expect(await stateOf(store)).toBe('DISPATCHED');
  expect(await succeed(store, lease)).toBe('ok');
});

story('keeps no place in the waiting for a job that waits no more', async (use) => {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const client = use(await TestClient.up(server.url));
  let now = 1_700_000_000_000;
  const store = await open(client, { now: () => now });
  await succeed(store, await sent(store, { jobId: 'sent' }));
  await store.submit(job({ jobId: 'aside' }));
  await store.park((await claimOne(store)).lease, 'DE');
  await store.unpark('DE', 1);
  await store.park((await claimOne(store)).lease, 'FR');
  await store.cancel(ref('aside'));
  await store.submit(job({ jobId: 'back', queueMs: 9_000 }));
  await store.release((await claimOne(store)).lease, 5_000);
  await store.submit(job({ jobId: 'later', delayMs: 9_000, queueMs: 9_000 }));
  await store.submit(job({ jobId: 'cancelled', delayMs: 5_000 }));
  await store.cancel(ref('cancelled'));
  now += 9_000;
  expect(await store.sweep()).toMatchObject({ expired: 2 });
  expect(await client.redis.call('KEYS', ['*:waiting:*'])).toEqual([]);
});

story('takes out of the waiting what an older pod moved on without a word', async (use) => {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const client = use(await TestClient.up(server.url));
  const now = 1_700_000_000_000;
  const store = await open(client, { now: () => now, prefix: 'rp' });
  await store.submit(job());
  await sent(store, { jobId: 'sent', priority: 9 });
  const key = (reason: string, priority: number) => `{rp:jobs:0}:waiting:${reason}:${priority}`;
  const leave = (at: string, since: number, order: number, jobId: string) =>
    client.redis.call('ZADD', [at, since, `${String(order).padStart(15, '0')}:acme/${jobId}`]);
  await leave(key('claim', 9), now - 9_000, 2, 'sent');
  await leave(key('claim', 5), now - 9_000, 3, 'removed');
  await leave(key('exit', 5), now, 1, 'j1');
  expect(await store.oldest()).toEqual([{ waitingFor: 'claim', priority: 5, waitedMs: 0 }]);
  expect(await client.redis.call('KEYS', ['*:waiting:*'])).toEqual([key('claim', 5)]);
});

story('goes by the time of Redis, and not by that of the pods', async (use) => {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const store = await open(use(await TestClient.up(server.url)));
  await store.submit(job({ delayMs: 50 }));
  expect(await claimIds(store)).toEqual([]);
  await until('the job is due', async () => (await claimIds(store)).includes('j1'));
  const { createdAt = 0 } = (await store.get(ref())) ?? {};
  expect(Math.abs(createdAt - Date.now())).toBeLessThan(60_000);
});

for (const partitions of [1, 3]) {
  story(`tells followers on every pod what happened, with ${partitions} partitions`, async (use) => {
    const server = use(await RedisServer.start({ persistence: 'none' }));
    const client = use(await TestClient.up(server.url));
    const follower = use(await TestClient.up(server.url, 'follower'));
    const here = await open(client, { prefix: 'rp', partitions });
    const there = await open(client, { prefix: 'rp', partitions, follower });
    const heard: string[] = [];
    const leave = there.follow(({ tenant, jobId, state }) => heard.push(`${tenant} ${jobId} ${state}`));
    let submits = 0;
    await until('a change is heard', async () => {
      submits += 1;
      await here.submit(job({ tenant: `t${submits}` }));
      return heard.length > 0;
    });
    await here.submit(job({ tenant: 'other', jobId: 'last' }));
    await until('the last is heard', () => heard.includes('other last QUEUED'));
    leave();
    await there.close();
  });
}
