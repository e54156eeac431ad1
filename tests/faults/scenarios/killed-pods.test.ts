// Pods that die without a word, one after the other, under load: nobody hangs, who can be told is told the truth, and
// nothing that must not be repeated is.
import type { Balancer } from '../../harness/balancer.ts';
import { full } from '../../harness/run.ts';
import { story } from '../../harness/story.ts';
import { killAtRandom, podsBehind } from '../kills.ts';
import { FaultLab } from '../lab.ts';
import { ofKilledPods } from '../rules.ts';

const kills = full ? 25 : 2;
const minimums = full ? { downs: 20, ended: 1_000, atOrigin: 100 } : { downs: 2, ended: 100, atOrigin: 5 };
const podNames = ['pod-a', 'pod-b', 'pod-c'];
const boundMs = full ? 15 * 60_000 : 60_000;

story(
  `${kills} times a random pod is killed outright while callers ask each pod for jobs`,
  async (use) => {
    const lab = await FaultLab.start(use, { pods: podNames, agents: 6 });
    const doors = new Map<string, Balancer>();
    for (const name of podNames) doors.set(name, await lab.fleet.balancer(name));
    const load = lab.load({ callers: { grpc: 6, rest: 4, stream: 1 }, longestStreamMs: 1_000, at: doors });
    await killAtRandom(lab, podsBehind(lab, doors), kills);
    await lab.trueView();
    await load.stop();
    lab.verdict(`${kills} pods killed`, ofKilledPods, minimums);
  },
  boundMs,
);
