// Kills pods at random: each a ready one, 0.2 to 2 s after the last became ready; each comes back under its name.
import { setTimeout as pause } from 'node:timers/promises';
import type { Balancer } from '../harness/balancer.ts';
import { randomOf } from '../harness/run.ts';
import { until } from '../harness/waiting.ts';
import type { FaultLab } from './lab.ts';

const soonestMs = 200;
const latestMs = 2_000;
const readyBoundMs = 30_000;

/** `doors` has a balancer for each pod, by its name: a pod is up again when its own lets callers through. */
export async function killPods(lab: FaultLab, doors: ReadonlyMap<string, Balancer>, kills: number): Promise<void> {
  const { fleet, origin, recorder } = lab;
  const names = [...doors.keys()];
  for (let i = 0; i < kills; i++) {
    const random = randomOf('kill', i);
    await pause(soonestMs + random.below(latestMs - soonestMs));
    const name = random.pick(names);
    const died = fleet.kill(name);
    recorder.add({ kind: 'down', process: name, how: 'killed', jobsAtOrigin: origin.open });
    await died;
    await until(`callers of ${name} hear that it is gone`, () => !isReady(doors, name));
    await fleet.startPod(name);
    await until(`${name} is ready`, () => isReady(doors, name), readyBoundMs);
    recorder.add({ kind: 'up', process: name });
  }
}

function isReady(doors: ReadonlyMap<string, Balancer>, name: string): boolean {
  return doors.get(name)?.ready.includes(name) ?? false;
}
