import { expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { FleetShares } from './fleet-shares.ts';
import type { SharedLimit } from './shares.ts';

interface Ask {
  readonly keys: readonly string[];
  readonly args: readonly unknown[];
}

function limitOf(name: string, inFlight = 0): SharedLimit & { readonly load: { inFlight: number } } {
  return { name, limits: { maxInFlight: 10 }, load: { inFlight } };
}

function setUp() {
  const clock = new ManualClock();
  const asks: Ask[] = [];
  const state = { pods: 4, grant: 0.4, status: 'up' as 'up' | 'down', broken: false };
  const redis = {
    get status() {
      return state.status;
    },
    run: async (_: unknown, keys: readonly string[], args: readonly unknown[]) => {
      asks.push({ keys, args });
      if (state.broken) throw new Error('no answer');
      return keys.map(() => String(state.grant));
    },
  };
  const shares = new FleetShares({ redis, prefix: 'rp', podId: 'a', pods: () => state.pods, clock });
  return { clock, asks, state, shares };
}

test('a pod that is alone has everything, and asks nobody', async () => {
  const { shares, asks, state } = setUp();
  state.pods = 1;
  expect(shares.fractionOf(limitOf('c'))).toBe(1);
  await shares.renew();
  expect(asks).toEqual([]);
});

test('the first job finds a quarter of an equal part, the next ones what was granted', async () => {
  const { shares, asks } = setUp();
  expect(shares.fractionOf(limitOf('c'))).toBe(0.0625);
  shares.fractionOf(limitOf('c'));
  await shares.renew();
  expect(asks).toEqual([{ keys: ['{rp:limits}:c'], args: ['a', 4, '0.062500', 4000, '0.062500', 2] }]);
  expect(shares.fractionOf(limitOf('c'))).toBe(0.4);
});

test('calls that are under way count as demand, and as in use beyond the part', async () => {
  const { shares, asks } = setUp();
  shares.fractionOf(limitOf('c', 7));
  await shares.renew();
  expect(asks[0]?.args.slice(4)).toEqual(['0.700000', 8]);
});

test('without an answer the part stays, and after a lease is at most an equal one', async () => {
  const { shares, clock, state } = setUp();
  shares.fractionOf(limitOf('c'));
  await shares.renew();
  state.broken = true;
  await clock.advance(3_000);
  await shares.renew();
  expect(shares.fractionOf(limitOf('c'))).toBe(0.4);
  await clock.advance(1_001);
  expect(shares.fractionOf(limitOf('c'))).toBe(0.25);
  state.broken = false;
  await shares.renew();
  expect(shares.fractionOf(limitOf('c'))).toBe(0.4);
});

test('a Redis that is down is not asked', async () => {
  const { shares, asks, state } = setUp();
  shares.fractionOf(limitOf('c'));
  state.status = 'down';
  await shares.renew();
  expect(asks).toEqual([]);
});

test('what nobody uses is let go, what is under way is not', async () => {
  const { shares, asks } = setUp();
  const busy = limitOf('busy', 1);
  shares.fractionOf(busy);
  shares.fractionOf(limitOf('once'));
  for (let i = 0; i < 8; i++) await shares.renew();
  expect(asks.at(-1)?.keys).toEqual(['{rp:limits}:busy']);
  busy.load.inFlight = 0;
  for (let i = 0; i < 8; i++) await shares.renew();
  const asked = asks.length;
  await shares.renew();
  expect(asks).toHaveLength(asked);
});

test('many limits go in calls of a bounded size', async () => {
  const { shares, asks } = setUp();
  for (let i = 0; i < 600; i++) shares.fractionOf(limitOf(`c${i}`));
  await shares.renew();
  expect(asks.map(({ keys }) => keys.length)).toEqual([250, 250, 100]);
});

test('it asks once a second from start to close', async () => {
  const { shares, asks, clock } = setUp();
  shares.fractionOf(limitOf('c', 1));
  shares.start();
  await clock.advance(3_500);
  expect(asks).toHaveLength(3);
  shares.close();
  await clock.advance(10_000);
  expect(asks).toHaveLength(3);
  expect(clock.pending).toBe(0);
});

test('what is used beyond the bound has the floor', async () => {
  const { shares, asks } = setUp();
  for (let i = 0; i < 10_001; i++) shares.fractionOf(limitOf(`c${i}`));
  await shares.renew();
  expect(asks).toHaveLength(40);
  expect(shares.fractionOf(limitOf('c10000'))).toBe(0.0625);
});
