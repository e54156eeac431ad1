// Kills at random, without a word: each time a ready process, 0.2 to 2 s after the last became ready; each comes back
// under its name.
import { setTimeout as pause } from 'node:timers/promises';
import type { Balancer } from '../harness/balancer.ts';
import { randomOf } from '../harness/run.ts';
import { until } from '../harness/waiting.ts';
import { type FaultLab, isWelcome } from './lab.ts';

/** A process that dies and comes back. */
export interface Mortal {
  readonly name: string;
  /** Kills it at once; resolves when that is known. */
  kill(): Promise<unknown>;
  /** Resolves when it is ready. */
  revive(): Promise<unknown>;
}

const soonestMs = 200;
const latestMs = 2_000;
const readyBoundMs = 30_000;

export async function killAtRandom(
  { origin, recorder }: FaultLab,
  mortals: readonly Mortal[],
  kills: number,
): Promise<void> {
  for (let i = 0; i < kills; i++) {
    const random = randomOf('kill', i);
    await pause(soonestMs + random.below(latestMs - soonestMs));
    const mortal = random.pick(mortals);
    const died = mortal.kill();
    recorder.add({ kind: 'down', process: mortal.name, how: 'killed', jobsAtOrigin: origin.open });
    await died;
    await mortal.revive();
    recorder.add({ kind: 'up', process: mortal.name });
  }
}

/** `doors` has a balancer for each pod, by its name: a pod is up again when that one lets callers through to it. */
export function podsBehind({ fleet }: FaultLab, doors: ReadonlyMap<string, Balancer>): Mortal[] {
  return [...doors.keys()].map((name) => ({
    name,
    async kill() {
      await fleet.kill(name);
      await until(`callers of ${name} hear that it is gone`, () => !isReady(doors, name));
    },
    async revive() {
      await fleet.startPod(name);
      await until(`${name} is ready`, () => isReady(doors, name), readyBoundMs);
    },
  }));
}

/** An agent is ready when a pod has welcomed it. */
export function agentsOf(lab: FaultLab): Mortal[] {
  return lab.agentNames.map((name) => ({
    name,
    kill: () => lab.killAgent(name),
    async revive() {
      const agent = await lab.startAgent(name);
      await agent.waitForLog('is welcomed', isWelcome, { boundMs: readyBoundMs });
    },
  }));
}

function isReady(doors: ReadonlyMap<string, Balancer>, name: string): boolean {
  return doors.get(name)?.ready.includes(name) ?? false;
}
