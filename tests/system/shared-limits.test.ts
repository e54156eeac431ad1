// The limits of a caller over several pods and a real Redis: the parts follow the demand, and their sum stays within
// the whole, whatever is asked and whichever answer gets lost.
import { expect } from '@jest/globals';
import { systemClock } from '../../internal/kit/clock.ts';
import { FleetShares } from '../../internal/orchestrator/limits/fleet-shares.ts';
import type { RedisCommands } from '../../internal/orchestrator/redis/redis-client.ts';
import { RedisServer } from '../harness/redis.ts';
import { TestClient } from '../harness/redis-client.ts';
import { RedisCluster } from '../harness/redis-groups.ts';
import { story, type Use } from '../harness/story.ts';

const podCount = 3;
/** Six digits, rounded, of each part. */
const rounding = 1e-5;

class Pod {
  readonly load = { inFlight: 0 };
  readonly #shares: FleetShares;
  readonly #limit = { name: 'caller', limits: { maxInFlight: 1_000 }, load: this.load };

  constructor(redis: Pick<RedisCommands, 'run' | 'status'>, podId: string) {
    this.#shares = new FleetShares({ redis, prefix: 'rp', podId, pods: () => podCount, clock: systemClock });
  }

  /** What so many jobs find now. */
  ask(jobs: number): number {
    let fraction = 0;
    for (let i = 0; i < jobs; i++) fraction = this.#shares.fractionOf(this.#limit);
    return fraction;
  }

  renew(): Promise<void> {
    return this.#shares.renew();
  }
}

async function threePods(use: Use, url: string): Promise<[Pod, Pod, Pod]> {
  const { redis } = use(await TestClient.up(url));
  return [new Pod(redis, 'a'), new Pod(redis, 'b'), new Pod(redis, 'c')];
}

/** Renews all, and gives the parts as they are after each renewal. */
async function round(pods: readonly Pod[], demand: readonly number[]): Promise<number[]> {
  let parts: number[] = [];
  for (const [i, pod] of pods.entries()) pod.ask(demand[i] ?? 0);
  for (const pod of pods) {
    await pod.renew();
    parts = pods.map((each) => each.ask(1));
    expect(parts.reduce((sum, part) => sum + part, 0)).toBeLessThanOrEqual(1 + rounding);
  }
  return parts;
}

story('the parts follow the demand within two renewals, and never add up to more than the whole', async (use) => {
  const pods = await threePods(use, use(await RedisServer.start()).url);
  await round(pods, [100, 0, 0]);
  const first = await round(pods, [100, 0, 0]);
  expect(first[0]).toBeGreaterThan(0.75);
  for (let i = 0; i < 3; i++) await round(pods, [0, 50, 50]);
  const second = await round(pods, [0, 50, 50]);
  expect(second[0]).toBeLessThan(0.15);
  expect(second[1]).toBeGreaterThan(0.35);
  expect(second[2]).toBeGreaterThan(0.35);
});

story('a pod whose calls are still under way keeps what they use', async (use) => {
  const pods = await threePods(use, use(await RedisServer.start()).url);
  for (let i = 0; i < 3; i++) await round(pods, [100, 0, 0]);
  const [first] = pods;
  first.load.inFlight = 700;
  let others = 0;
  for (let i = 0; i < 4; i++)
    others = (await round(pods, [0, 9_000, 9_000])).slice(1).reduce((sum, part) => sum + part);
  expect(others).toBeLessThanOrEqual(0.3 + rounding);
});

story('an answer that gets lost takes nothing from the sum', async (use) => {
  const { redis } = use(await TestClient.up(use(await RedisServer.start()).url));
  let lossy = false;
  const losing: Pick<RedisCommands, 'run' | 'status'> = {
    status: 'up',
    run: async (...call) => {
      const answer = await redis.run(...call);
      if (lossy) throw new Error('the answer was lost');
      return answer;
    },
  };
  const pods = [new Pod(losing, 'a'), new Pod(redis, 'b'), new Pod(redis, 'c')];
  for (let i = 0; i < 3; i++) await round(pods, [100, 0, 0]);
  lossy = true;
  for (let i = 0; i < 3; i++) await round(pods, [0, 100, 100]);
  lossy = false;
  for (let i = 0; i < 3; i++) await round(pods, [0, 100, 100]);
  expect((await round(pods, [0, 100, 100]))[1]).toBeGreaterThan(0.35);
});

story('it works on a Cluster', async (use) => {
  const pods = await threePods(use, use(await RedisCluster.start()).url);
  await round(pods, [100, 0, 0]);
  expect((await round(pods, [100, 0, 0]))[0]).toBeGreaterThan(0.75);
});
