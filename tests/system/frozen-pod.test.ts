// A pod that stands still without being gone: the others miss it within its lease and do without its agents, and it is
// part of the fleet again when it goes on.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { patienceMs, timed } from '../harness/goals.ts';
import { startRelayLab } from '../harness/relay-lab.ts';
import { story } from '../harness/story.ts';
import { waitForTrueView } from '../harness/view.ts';
import { until } from '../harness/waiting.ts';

const { runJob } = JobService.method;
/** The lease, and what it takes to see that it is over. */
const missedGoalMs = 8_000;
const backBoundMs = 40_000;

story(
  'a pod that is frozen is missed within its lease, jobs run without it, and it is back when it thaws',
  async (use) => {
    const { fleet, origin, place } = await startRelayLab(use);
    const far = await place('far', 'pod-b');
    const near = await place('near', 'pod-c');
    const others = ['pod-a', 'pod-c'].map((name) => fleet.pod(name));
    const request = { url: origin.url('/echo') };

    fleet.freeze('pod-b');
    const missed = until(
      'the others list only what they can reach',
      async () => {
        const lists = await Promise.all(others.map((pod) => pod.agents()));
        return lists.every((agents) => agents.map(({ agentId }) => agentId).join() === near.agentId);
      },
      patienceMs(missedGoalMs),
    );
    await timed('a frozen pod is missed', missedGoalMs, missed);
    for (const pod of others) {
      const { exit } = await pod.grpc.call(runJob, { request });
      expect(exit?.exitId).toBe(near.exitId);
      const failure = await pod.grpc.failure(runJob, { request, target: { exitId: far.exitId } });
      expect(failure.info?.metadata.execution).toBe('NOT_STARTED');
    }

    fleet.thaw('pod-b');
    await waitForTrueView(fleet, 2, backBoundMs);
    for (const pod of fleet.pods) {
      const { exit } = await pod.grpc.call(runJob, { request, target: { exitId: far.exitId } });
      expect(exit?.exitId).toBe(far.exitId);
    }
  },
);
