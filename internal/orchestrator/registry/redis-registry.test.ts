import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { FakeRedis } from './fake-redis.ts';
import { toRecord } from './fleet-record.ts';
import { FleetView } from './fleet-view.ts';
import { MemoryRegistry } from './memory-registry.ts';
import { RedisRegistry } from './redis-registry.ts';
import { registryLimits } from './registry-limits.ts';
import { connection } from './registry-suite.ts';

const podTwo = JSON.stringify({ address: '10.0.0.2:9091', version: '0.1.0', draining: false });
const remote = (change: number, epoch: number) => `${change} ${epoch} 1000 key/default ${toRecord(connection())}`;

let clock: ManualClock;
let redis: FakeRedis;
let memory: MemoryRegistry;
let registry: RedisRegistry;
let logged: string[];
let heard: string[];
/** What the renewal tells besides. */
let leases: unknown[];

beforeEach(() => {
  clock = new ManualClock();
  redis = new FakeRedis();
  [logged, heard, leases] = [[], [], ['pod-2~x', 3_500, podTwo]];
  redis.on('beat', () => ['held', 1_000, 10, 0, ...leases]);
  redis.on('position', () => [10, '10-0']);
  redis.on('page', () => ['0']);
  redis.on('publish', () => ['held', 50]);
  redis.on('reap', () => 0);
  memory = new MemoryRegistry({ podId: 'pod-1', fleet: new FleetView(), localFleet: new FleetView() });
  registry = new RedisRegistry({
    redis,
    stream: redis,
    keyPrefix: 'rp',
    podId: 'pod-1',
    version: '0.1.0',
    memory,
    clock,
    random: () => 0.5,
    newToken: () => 'token',
    log: pino({ level: 'info' }, { write: (line: string) => logged.push(JSON.parse(line).msg) }),
    onLag: () => {},
  });
  registry.listen({
    ranked: (ranked, epoch) => heard.push(`ranked ${ranked.connectionId} ${epoch}`),
    newerElsewhere: (older, { podId }) => heard.push(`newer than ${older.connectionId} on ${podId}`),
  });
});

afterEach(async () => {
  await registry.stop();
  expect(clock.pending).toBe(0);
});

async function started(): Promise<void> {
  registry.start('10.0.0.1:9091');
  await clock.advance(0);
}

test('is well from the first snapshot on, also when Redis goes away', async () => {
  redis.away = true;
  await started();
  expect(registry.check()).toBe('the fleet has not been read from Redis yet');
  redis.away = false;
  await clock.advance(registryLimits.retryMaxMs);
  expect(registry.check()).toBeUndefined();
  redis.away = true;
  await clock.advance(60_000);
  expect(registry.check()).toBeUndefined();
});

test('says once that Redis cannot be used, and once that it is back', async () => {
  await started();
  redis.away = true;
  await clock.advance(30_000);
  redis.away = false;
  await clock.advance(2_000);
  expect(logged).toEqual([
    'Redis cannot be used: the fleet stays as it was, new agents serve this pod',
    'Redis is back: the fleet is shared again',
  ]);
});

test('says that another pod runs under its name, and not when that was one which has just died', async () => {
  leases = ['pod-1~other', 3_900, podTwo];
  await started();
  await clock.advance(2_000);
  leases = ['pod-1~other', 900, podTwo];
  await clock.advance(5_000);
  expect(logged).toEqual([]);
  leases = ['pod-1~other', 3_900, podTwo];
  await clock.advance(20_000);
  expect(logged).toEqual(['another pod runs under the name of this one']);
});

describe('a rival', () => {
  beforeEach(started);

  test('that is heard of before the answer that ranks the own connection is told of all the same', async () => {
    const answer = Promise.withResolvers<unknown>();
    redis.on('publish', () => answer.promise);
    registry.put(connection({ epoch: 9e15 }));
    await clock.advance(0);
    redis.changes([11, 'put', 'pod-2~x', 'c2', remote(0, 60).slice(2)]);
    await settle();
    expect(heard).toEqual([]);
    const own = memory.connectionsOf('key/default').find(({ connectionId }) => connectionId === 'c1');
    if (own) Object.assign(own, { epoch: 50 });
    answer.resolve(['held', 50]);
    await settle();
    expect(heard).toEqual(['ranked c1 50', 'newer than c1 on pod-2']);
  });

  test('that comes later is told of, and one that is older is not', async () => {
    registry.put(connection());
    await clock.advance(0);
    redis.changes([11, 'put', 'pod-2~x', 'c2', remote(0, 40).slice(2)]);
    await settle();
    redis.changes([12, 'put', 'pod-2~x', 'c3', remote(0, 60).slice(2)]);
    await settle();
    expect(heard).toEqual(['ranked c1 50', 'newer than c1 on pod-2']);
  });
});

describe('a look for an agent', () => {
  beforeEach(started);

  test('finds what the view has not been told yet, and brings back nothing that it was told has gone', async () => {
    redis.on('field', (_keys, [field]) => (field === 'key/default' ? 'c2 pod-2~x 60 1 1 i' : remote(11, 60)));
    await registry.refresh('key/default');
    expect(memory.get('acme', 'key/default')?.connectionId).toBe('c2');
    redis.changes([11, 'put', 'pod-2~x', 'c2', remote(0, 60).slice(2)], [12, 'drop', 'pod-2~x', 'c2', '']);
    await settle();
    await registry.refresh('key/default');
    expect(memory.get('acme', 'key/default')).toBeUndefined();
  });

  test('is made once for all who ask at one moment', async () => {
    await Promise.all([registry.refresh('key/default'), registry.refresh('key/default')]);
    expect(redis.argsOf('field')).toHaveLength(1);
  });

  test('waits for the view while Redis is away, and not for long', async () => {
    redis.away = true;
    let done = false;
    const look = registry.refresh('key/default').then(() => (done = true));
    await clock.advance(registryLimits.refreshMs - 1);
    expect(done).toBe(false);
    await clock.advance(1);
    await look;
    const other = registry.refresh('key/default');
    redis.changes([11, 'put', 'pod-2~x', 'c2', remote(0, 60).slice(2)]);
    await other;
    expect(memory.get('acme', 'key/default')?.connectionId).toBe('c2');
  });
});

test('clears what dead pods left when it is the first of the living', async () => {
  const left = new Map([['pod-9~dead', 1_200]]);
  redis.on('reap', (_keys, [seat, count]) => {
    const fields = Math.max(0, (left.get(String(seat)) ?? 0) - Number(count));
    left.set(String(seat), fields);
    return fields;
  });
  leases = ['pod-1~token', 3_000, podTwo, 'pod-2~x', 3_000, podTwo, 'pod-9~dead', -registryLimits.leaseMs, podTwo];
  await started();
  await settle();
  expect(left.get('pod-9~dead')).toBe(0);
  expect(redis.argsOf('reap').length).toBeGreaterThanOrEqual(3);
  expect(redis.argsOf('reap')).toContainEqual(['pod-9~dead', registryLimits.reapFields]);
  expect(redis.argsOf('reap').every(([seat]) => seat === 'pod-9~dead')).toBe(true);
});

test('gives up its seat when it stops', async () => {
  await started();
  await registry.stop();
  expect(redis.argsOf('leave').map(([seat]) => seat)).toEqual(['pod-1~token']);
  expect(redis.argsOf('reap').map(([seat]) => seat)).toEqual(['pod-1~token']);
});
