import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { type FakeChange, FakeRedis } from './fake-redis.ts';
import { toRecord } from './fleet-record.ts';
import { FleetView } from './fleet-view.ts';
import { Follower } from './follower.ts';
import type { Beat, HeardLease } from './lease.ts';
import { MemoryRegistry } from './memory-registry.ts';
import type { RemotePod } from './pods.ts';
import { registryKeys } from './redis-keys.ts';
import { registryLimits } from './registry-limits.ts';
import { connection } from './registry-suite.ts';
import { RemoteFleet } from './remote-fleet.ts';
import { ServerTime } from './server-time.ts';

const podTwo = JSON.stringify({ address: '10.0.0.2:9091', version: '0.1.0', draining: false });
const podThree = JSON.stringify({ address: '10.0.0.3:9091', version: '0.1.0', draining: false });
const put = (agent = 'key/default') => `5 1000 ${agent} ${toRecord(connection())}`;

let clock: ManualClock;
let redis: FakeRedis;
let remote: RemoteFleet;
let follower: Follower;
let memory: MemoryRegistry;
let pods: RemotePod[];
let warnings: string[];
/** What Redis holds: the number of changes, the leases, and for each seat its connections. */
let changes: number;
let leases: HeardLease[];
let held: Map<string, string[]>;

beforeEach(() => {
  clock = new ManualClock();
  redis = new FakeRedis();
  warnings = [];
  pods = [];
  changes = 10;
  leases = [{ seat: 'pod-2~a', leftMs: 3_000, record: podTwo }];
  held = new Map([['pod-2~a', ['c1', `9 ${put()}`]]]);
  memory = new MemoryRegistry({ podId: 'pod-1', fleet: new FleetView(), localFleet: new FleetView() });
  const time = new ServerTime(clock);
  const log = pino({ level: 'warn' }, { write: (line: string) => warnings.push(JSON.parse(line).msg) });
  remote = new RemoteFleet({ podId: 'pod-1', memory, clock, time, log, onPut: () => {} });
  remote.seats.listen({
    podJoined: (pod) => pods.push(pod),
    podLeft: (pod) => pods.splice(pods.indexOf(pod), 1),
  });
  redis.on('position', () => [changes, `${changes}-0`]);
  redis.on('page', ([key = '']) => ['0', ...(held.get(key.split('held:')[1] ?? '') ?? [])]);
  follower = new Follower({
    redis,
    stream: redis,
    keys: registryKeys('rp'),
    clock,
    random: () => 0.5,
    time,
    remote,
    beat: async () => beatNow(),
    onLag: () => {},
    onFault: () => {},
  });
  follower.start();
});

afterEach(async () => {
  await follower.stop();
  expect(clock.pending).toBe(0);
});

function beatNow(): Beat {
  return { nowMs: 1_000, changes, leases };
}

async function beat(): Promise<void> {
  follower.heard(beatNow());
  await settle();
}

async function told(...entries: FakeChange[]): Promise<void> {
  redis.changes(...entries);
  changes = Math.max(changes, ...entries.map(([change]) => change));
  await settle();
}

function seen(): string[] {
  return memory.list('acme').map(({ connectionId, podId }) => `${connectionId} ${podId}`);
}

test('reads everything once, and then each change', async () => {
  await settle();
  expect(seen()).toEqual(['c1 pod-2']);
  expect(follower.snapshots).toBe(1);
  await told([11, 'put', 'pod-2~a', 'c2', put('key/two')], [12, 'drop', 'pod-2~a', 'c1', '']);
  expect(seen()).toEqual(['c2 pod-2']);
  expect(follower.change).toBe(12);
  expect(redis.argsOf('XREAD').map((args) => args.at(-1))).toEqual(['10-0', '12-0']);
});

test('a pod that joins is known before what it holds', async () => {
  await settle();
  await told([11, 'seat', 'pod-3~a', '', podThree], [12, 'put', 'pod-3~a', 'c3', put('key/three')]);
  expect(pods.map(({ podId, address }) => `${podId} ${address}`)).toEqual([
    'pod-2 10.0.0.2:9091',
    'pod-3 10.0.0.3:9091',
  ]);
  expect(seen()).toContain('c3 pod-3');
  await told([13, 'left', 'pod-3~a', '', '']);
  expect(pods).toHaveLength(1);
  expect(seen()).toEqual(['c1 pod-2']);
});

test('nothing that this pod said itself comes back to it', async () => {
  await settle();
  await told([11, 'seat', 'pod-1~a', '', podThree], [12, 'put', 'pod-1~a', 'mine', put('key/mine')]);
  expect(seen()).toEqual(['c1 pod-2']);
  expect(pods).toHaveLength(1);
});

test('what cannot be read is left out and told', async () => {
  await settle();
  await told([11, 'put', 'pod-2~a', 'c2', '5 1000 key/two {}'], [12, 'dance', 'pod-2~a', '', '']);
  expect(seen()).toEqual(['c1 pod-2']);
  expect(warnings).toEqual(['a pod wrote a connection that cannot be read']);
  expect(follower.change).toBe(12);
});

describe('reads everything again', () => {
  beforeEach(settle);

  test('after a gap', async () => {
    held.set('pod-2~a', ['c2', `11 ${put('key/two')}`]);
    await told([12, 'put', 'pod-2~a', 'c3', put('key/three')]);
    expect(follower.snapshots).toBe(2);
    expect(seen()).toEqual(['c2 pod-2']);
  });

  test('when Redis went back', async () => {
    changes = 9;
    await beat();
    expect(follower.snapshots).toBe(2);
    expect(follower.change).toBe(9);
  });

  test('when a pod lives whose joining was never heard', async () => {
    leases = [...leases, { seat: 'pod-3~a', leftMs: 3_000, record: podThree }];
    held.set('pod-3~a', ['c3', `10 ${put('key/three')}`]);
    await beat();
    expect(follower.snapshots).toBe(2);
    expect(seen()).toEqual(['c1 pod-2', 'c3 pod-3']);
  });

  test('when a whole beat brings nothing although there is something', async () => {
    changes = 11;
    await beat();
    expect(follower.snapshots).toBe(1);
    await beat();
    expect(follower.snapshots).toBe(2);
    expect(follower.change).toBe(11);
  });

  test('and not when the news of a pod is only on its way', async () => {
    changes = 11;
    leases = [...leases, { seat: 'pod-3~a', leftMs: 3_000, record: podThree }];
    await beat();
    await told([11, 'seat', 'pod-3~a', '', podThree]);
    await beat();
    expect(follower.snapshots).toBe(1);
  });
});

test('reading everything again tells nobody of what stayed as it was', async () => {
  await settle();
  const abort = new AbortController();
  const watch = memory.watch('acme', abort.signal);
  expect((await watch.next()).value).toMatchObject({ type: 'added' });
  expect((await watch.next()).value).toMatchObject({ type: 'synced' });
  held.set('pod-2~a', ['c1', `9 ${put()}`, 'c2', `11 ${put('key/two')}`]);
  await told([12, 'drop', 'pod-2~a', 'c0', '']);
  expect(follower.snapshots).toBe(2);
  expect((await watch.next()).value).toMatchObject({ type: 'added', agent: { connectionId: 'c2' } });
  abort.abort();
  expect((await watch.next()).done).toBe(true);
});

describe('a lease', () => {
  beforeEach(settle);

  test('that is over takes what it held along', async () => {
    leases = [{ seat: 'pod-2~a', leftMs: -1, record: podTwo }];
    await beat();
    expect(seen()).toEqual([]);
    expect(pods).toEqual([]);
  });

  test('that Redis lost is believed for its time, and its pod may come back under another', async () => {
    const [pod] = pods;
    leases = [];
    await beat();
    await clock.advance(registryLimits.leaseMs - 1);
    await beat();
    expect(seen()).toEqual(['c1 pod-2']);
    await told([11, 'seat', 'pod-2~b', '', podTwo], [12, 'put', 'pod-2~b', 'c1', put()]);
    leases = [{ seat: 'pod-2~b', leftMs: 3_000, record: podTwo }];
    await clock.advance(1);
    await beat();
    expect(seen()).toEqual(['c1 pod-2']);
    expect(pods).toEqual([pod]);
  });

  test('that Redis lost for good is over after its time', async () => {
    leases = [];
    await beat();
    await clock.advance(registryLimits.leaseMs);
    await beat();
    expect(seen()).toEqual([]);
  });
});

test('an exit stays the same object while its offer does, and what is known of it', async () => {
  await settle();
  const exits = () => memory.connectionsOf('key/default')[0]?.exits ?? [];
  const [before] = exits();
  before?.recordAttempt(false);
  await told([11, 'put', 'pod-2~a', 'c1', `5 1000 key/default ${toRecord(connection({ version: '2' }))}`]);
  expect(exits()[0]).toBe(before);
  const draining = connection({ draining: true });
  await told([12, 'put', 'pod-2~a', 'c1', `5 1000 key/default ${toRecord(draining)}`]);
  expect(exits()[0]).toMatchObject({ draining: true, open: false });
});

test('while Redis is away the view stays, and the age of what it shows is told', async () => {
  await settle();
  redis.away = true;
  redis.changes();
  await settle();
  await clock.advance(20_000);
  expect(seen()).toEqual(['c1 pod-2']);
  expect(follower.staleMs).toBeGreaterThanOrEqual(20_000);
  redis.away = false;
  await clock.advance(registryLimits.retryMaxMs * 2);
  await told([11, 'drop', 'pod-2~a', 'c1', '']);
  expect(seen()).toEqual([]);
  expect(follower.staleMs).toBe(0);
});
