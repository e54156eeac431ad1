// Jobs that were handed over, while what carries them dies: pods, agents, Redis. None is lost, none is done twice that
// must not be, each has one end that is told, and nothing is left behind.
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { full } from '../../harness/run.ts';
import { story } from '../../harness/story.ts';
import { DurableLab } from '../durable/durable-lab.ts';
import { agentsOf, killAtRandom, podsBehind } from '../kills.ts';
import type { FaultLab } from '../lab.ts';

const kills = full ? 25 : 3;
const minimums = full ? { downs: 20, ended: 1_000, atOrigin: 100 } : { downs: 3, ended: 40, atOrigin: 5 };
const moreBoundMs = 30_000;

story(
  `${kills} times a random pod or agent is killed outright while callers hand jobs over`,
  async (use) => {
    const durable = await DurableLab.start(use);
    const { lab, submits } = durable;
    await submits.waitForMore(full ? 100 : 10, moreBoundMs);
    const doors = new Map(lab.fleet.pods.map(({ name }) => [name, lab.balancer]));
    await killAtRandom(lab, [...podsBehind(lab, doors), ...agentsOf(lab)], kills);
    await durable.settle(`${kills} pods and agents killed`, minimums);
  },
  full ? 20 * 60_000 : 2 * 60_000,
);

interface Away {
  readonly what: string;
  readonly forMs: number;
  readonly go: (lab: FaultLab) => unknown;
  readonly comeBack: (lab: FaultLab) => unknown;
}

const faults: readonly Away[] = [
  {
    what: 'answers nothing',
    forMs: full ? 5_000 : 2_000,
    go: ({ fleet }) => fleet.redis.stop(),
    comeBack: ({ fleet }) => fleet.redis.cont(),
  },
  {
    what: 'is killed and started again',
    forMs: full ? 5_000 : 500,
    go: ({ fleet }) => fleet.redis.kill(),
    comeBack: ({ fleet }) => fleet.redis.restart(),
  },
  {
    what: 'is full',
    forMs: full ? 5_000 : 1_500,
    go: ({ fleet }) => fleet.redis.cli('CONFIG', 'SET', 'maxmemory', '1'),
    comeBack: ({ fleet }) => fleet.redis.cli('CONFIG', 'SET', 'maxmemory', '0'),
  },
];

story(
  `Redis ${faults.map(({ what }) => what).join(', ')}, one after the other, while callers hand jobs over`,
  async (use) => {
    const durable = await DurableLab.start(use);
    const { lab, submits } = durable;
    for (const { forMs, go, comeBack } of faults) {
      await submits.waitForMore(full ? 300 : 10, moreBoundMs);
      await go(lab);
      await pause(forMs);
      await comeBack(lab);
    }
    await submits.waitForMore(full ? 100 : 10, moreBoundMs);
    expect(submits.refusals('STORE_FULL')).toBeGreaterThan(0);
    await durable.settle(`Redis ${faults.map(({ what }) => what).join(', ')}`, { ...minimums, downs: 0, atOrigin: 0 });
  },
  full ? 10 * 60_000 : 2 * 60_000,
);
