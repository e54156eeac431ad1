// Two programs with one identity on two pods: the newest wins each time, wherever the old one is; the old one is fenced,
// told why, and stays away; and the pods say that the two fight.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { closeCode } from '../../internal/wire/names.ts';
import type { Fleet } from '../harness/fleet.ts';
import { podNames, startRelayLab } from '../harness/relay-lab.ts';
import { say } from '../harness/run.ts';
import { story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const { runJob } = JobService.method;
const exitId = 'home-1/twin/direct';
/** A pod that has to fence an agent so often in ten minutes reports a fight; here two pods take turns. */
const reportedFences = 4;
/** What an agent that was replaced waits at least before it dials again. */
const awayMs = 60_000;

story('a second program of one name on another pod fences the first, whose late answer reaches nobody', async (use) => {
  const { fleet, origin, place } = await startRelayLab(use);
  const first = await place('twin', 'pod-a');
  const headers = [{ name: 'x-marker', value: 'held' }];
  const held = { request: { url: origin.url('/hold/held'), method: 'POST', headers }, target: { exitId } };
  const failures = ['pod-a', 'pod-c'].map((name) => fleet.pod(name).grpc.failure(runJob, held));
  await origin.waitForHits('held', 2);

  const begin = performance.now();
  const second = await startTwin(fleet, origin.endpoint, 'pod-b');
  const replaced = await first.program.waitForLog('is replaced', ({ closeCode: code }) => code === closeCode.replaced);
  expect(Number(replaced.delayMs)).toBeGreaterThanOrEqual(awayMs);
  for (const failure of failures) expect((await failure).info?.reason).toBe('OUTCOME_UNKNOWN');
  const fencedMs = performance.now() - begin;
  origin.holds.releaseAll();
  await everyPodListsItOn(fleet, 'pod-b');
  for (const pod of fleet.pods) {
    const { response } = await pod.grpc.call(runJob, { request: { url: origin.url('/bytes/3') }, target: { exitId } });
    expect(response?.body.length).toBe(3);
  }
  expect(origin.hitsOf('held')).toHaveLength(2);
  expect(first.program.alive && second.alive).toBe(true);
  say(`two instances of one agent: the old one fenced ${Math.round(fencedMs)} ms after the new one started`);
});

story(
  'of programs that come one after the other under one name the newest wins each time, and it is said',
  async (use) => {
    const { fleet, origin } = await startRelayLab(use);
    for (let i = 0; i <= 2 * reportedFences; i++) {
      const pod = podNames[i % 2] as string;
      const twin = await startTwin(fleet, origin.endpoint, pod);
      await twin.waitForLog('is welcomed', ({ pod: welcomedBy }) => welcomedBy === pod);
      await everyPodListsItOn(fleet, pod);
    }
    const said = fleet.pods.flatMap(({ program }) =>
      program.logs.filter(({ msg }) => /replace each other/.test(String(msg))),
    );
    expect(said.length).toBeGreaterThan(0);
    expect(said[0]).toMatchObject({ level: 'warn', agentId: 'home-1/twin' });
  },
);

story('a key has no more agents in the whole fleet than it may have, whichever pods they dial', async (use) => {
  const { fleet, origin } = await startRelayLab(use);
  await fleet.access.addKey({ name: 'few', maxAgents: 1 });
  const env = { AGENT_ALLOW_ENDPOINTS: origin.endpoint };
  await fleet.startAgent({ keyName: 'few', name: 'one', to: 'pod-a', env });
  await fleet.waitForAgents(['few/one']);
  const second = await fleet.startAgent({ keyName: 'few', name: 'two', to: 'pod-b', env });
  await second.waitForLog('is told', (log) => log.closeCode === closeCode.overloaded);
  await fleet.waitForAgents(['few/one']);
});

async function everyPodListsItOn(fleet: Fleet, podId: string): Promise<void> {
  await until(`every pod lists the twin on ${podId} and nowhere else`, async () => {
    const lists = await Promise.all(fleet.pods.map((pod) => pod.agents()));
    return lists.every((agents) => agents.map((agent) => agent.podId).join() === podId);
  });
}

/** Another process, so another instance. */
function startTwin(fleet: Fleet, endpoint: string, pod: string) {
  return fleet.startAgent({ name: 'twin', to: pod, env: { AGENT_ALLOW_ENDPOINTS: endpoint } });
}
