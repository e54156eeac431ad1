// Two of them at once would be the worst that an operator can do, so the tests look at every way there.
import { beforeEach, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../kit/manual-clock.ts';
import { KubeError } from '../kube/kube-error.ts';
import type { KubeObject } from '../kube/objects.ts';
import { Leader } from './leader.ts';

/** The one Lease of a cluster, which may be out of reach of one process or of all. */
class LeaseServer {
  lease: (KubeObject & { spec: { holderIdentity?: string; leaseTransitions?: number } }) | undefined;
  readonly cutOff = new Set<string>();
  #version = 1;

  clientOf(identity: string) {
    const reach = () => {
      if (this.cutOff.has(identity)) throw new KubeError('unreachable', 'cut off');
    };
    const store = (object: unknown) => {
      const given = object as NonNullable<LeaseServer['lease']>;
      this.lease = { ...given, metadata: { ...given.metadata, resourceVersion: String(this.#version++) } };
      return this.lease as never;
    };
    return {
      get: async () => {
        reach();
        return this.lease as never;
      },
      create: async (_kind: unknown, _namespace: string, object: unknown) => {
        reach();
        if (this.lease) throw new KubeError('already-exists', 'taken');
        return store(object);
      },
      replace: async (_kind: unknown, object: unknown) => {
        reach();
        const { metadata } = object as KubeObject;
        if (metadata.resourceVersion !== this.lease?.metadata.resourceVersion)
          throw new KubeError('conflict', 'changed');
        return store(object);
      },
    };
  }
}

let clock: ManualClock;
let server: LeaseServer;
let told: string[];

beforeEach(() => {
  clock = new ManualClock();
  server = new LeaseServer();
  told = [];
});

function leader(identity: string): Leader {
  return new Leader({
    client: server.clientOf(identity),
    namespace: 'n',
    name: 'resproxy-operator',
    identity,
    clock,
    random: () => 0.5,
    onLeading: () => told.push(`${identity} leads`),
    onLost: () => told.push(`${identity} lost`),
    onFault: () => {},
  });
}

async function started(...identities: string[]): Promise<Leader[]> {
  const leaders: Leader[] = [];
  for (const identity of identities) {
    const one = leader(identity);
    one.start();
    await settle();
    leaders.push(one);
  }
  return leaders;
}

test('the first one leads, the second stands by for as long as the first renews', async () => {
  const [a, b] = await started('a', 'b');
  await clock.advance(120_000);
  expect([a?.leads, b?.leads]).toEqual([true, false]);
  expect(told).toEqual(['a leads']);
});

test('one that stops gives the Lease up, and the standby takes it at its next look', async () => {
  const [a, b] = await started('a', 'b');
  await a?.stop();
  await clock.advance(3_000);
  expect([a?.leads, b?.leads]).toEqual([false, true]);
  expect(told).toEqual(['a leads', 'b leads']);
  expect(server.lease?.spec.leaseTransitions).toBe(1);
});

test('one that cannot renew stops leading after 10 s, before another may begin after 15 s', async () => {
  const [a, b] = await started('a', 'b');
  await clock.advance(2_000);
  server.cutOff.add('a');
  let both = false;
  for (let i = 0; i < 400; i++) {
    await clock.advance(50);
    if (a?.leads && b?.leads) both = true;
  }
  expect(both).toBe(false);
  server.cutOff.delete('a');
  await clock.advance(3_000);
  expect(told).toEqual(['a leads', 'b leads', 'a lost']);
});

test('one that was frozen does not lead when it wakes, and learns at its first renewal that it was replaced', async () => {
  const frozen = new ManualClock();
  const a = new Leader({
    client: server.clientOf('a'),
    namespace: 'n',
    name: 'resproxy-operator',
    identity: 'a',
    clock: { now: () => clock.now(), wallMs: () => clock.wallMs(), after: (ms, fn) => frozen.after(ms, fn) },
    random: () => 0.5,
    onLeading: () => {},
    onLost: (why) => told.push(`a lost: ${why}`),
    onFault: () => {},
  });
  a.start();
  await settle();
  const [b] = await started('b');
  await clock.advance(20_000);
  expect([a.leads, b?.leads]).toEqual([false, true]);
  await frozen.advance(2_500);
  expect(told).toEqual(['b leads', 'a lost: another process holds the Lease']);
  expect(frozen.pending).toBe(0);
});

test('one whose server was away goes on when it is back, if nobody took its place', async () => {
  const [a] = await started('a');
  server.cutOff.add('a');
  await clock.advance(60_000);
  expect(a?.leads).toBe(false);
  server.cutOff.delete('a');
  await clock.advance(3_000);
  expect(a?.leads).toBe(true);
  expect(told).toEqual(['a leads']);
});

test('one whose Lease was taken ends at once', async () => {
  const [a] = await started('a');
  const lease = server.lease;
  if (lease)
    server.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: '99' }, spec: { holderIdentity: 'z' } };
  await clock.advance(2_000);
  expect(a?.leads).toBe(false);
  expect(told).toEqual(['a leads', 'a lost']);
});

test('a Lease that was only touched by somebody is kept', async () => {
  const [a] = await started('a');
  const lease = server.lease;
  if (lease) server.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion: '99' } };
  await clock.advance(60_000);
  expect(a?.leads).toBe(true);
});

test('a standby judges by its own clock: a Lease that it has just seen for the first time is not old', async () => {
  const [a] = await started('a');
  server.cutOff.add('a');
  await clock.advance(14_000);
  const [b] = await started('b');
  await clock.advance(14_000);
  expect([a?.leads, b?.leads]).toEqual([false, false]);
  await clock.advance(5_000);
  expect(b?.leads).toBe(true);
});

test('stopping leaves no timer', async () => {
  const leaders = await started('a', 'b');
  for (const one of leaders) await one.stop();
  expect(clock.pending).toBe(0);
});
