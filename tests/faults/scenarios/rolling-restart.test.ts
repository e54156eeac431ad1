// A rolling restart under load, as every release is one: no job fails, on gRPC, on HTTP/1.1 with keep-alive, or in a
// stream that is held for at most half the grace; and no caller tries anything twice.
import { expect } from '@jest/globals';
import { full } from '../../harness/run.ts';
import { story } from '../../harness/story.ts';
import { until } from '../../harness/waiting.ts';
import { FaultLab } from '../lab.ts';
import { ofCalmWaters } from '../rules.ts';

const rounds = full ? 2 : 1;
const graceMs = full ? 20_000 : 4_000;
const lameDuckMs = full ? 5_000 : 1_000;
const podNames = ['pod-a', 'pod-b', 'pod-c'];
const env = { RESPROXY_SHUTDOWN_GRACE_MS: String(graceMs), RESPROXY_LAME_DUCK_MS: String(lameDuckMs) };
const callers = full ? { grpc: 16, rest: 16, stream: 8 } : { grpc: 8, rest: 8, stream: 4 };
/** The lame duck, the grace, and a moment to close everything. */
const stopBoundMs = lameDuckMs + graceMs + 10_000;

story(
  `all pods are restarted one after the other, ${rounds} times, and no job fails`,
  async (use) => {
    const lab = await FaultLab.start(use, { pods: podNames, agents: 6, env });
    const load = lab.load({ callers, longestStreamMs: graceMs / 2 });
    await load.waitForEnded(50, 10_000);
    for (let round = 0; round < rounds; round++) {
      for (const name of podNames) await restart(lab, name);
    }
    await load.waitForEnded(load.ended + 50, 10_000);
    await load.stop();
    await lab.trueView();
    lab.verdict(`all pods restarted ${rounds} times`, ofCalmWaters, { downs: 3 * rounds, ended: 200, atOrigin: 10 });
  },
  rounds * podNames.length * stopBoundMs + 60_000,
);

async function restart({ fleet, balancer, recorder, origin }: FaultLab, name: string): Promise<void> {
  recorder.add({ kind: 'down', process: name, how: 'asked to go', jobsAtOrigin: origin.open });
  expect(await fleet.terminate(name, stopBoundMs)).toEqual({ code: 0, signal: null });
  await fleet.startPod(name);
  await until(`${name} is ready`, () => balancer.ready.includes(name));
  recorder.add({ kind: 'up', process: name });
}
