// Durable jobs in the Redis that pods share: any pod runs what another took, and when one of them dies in the middle
// nothing that was taken is lost, and nothing that must not be is sent twice.
import { expect } from '@jest/globals';
import { JobState } from '../../gen/resproxy/v1/durable_job_pb.ts';
import { DurableCaller, stateName } from '../harness/durable-caller.ts';
import { Fleet } from '../harness/fleet.ts';
import { Origin } from '../harness/origin.ts';
import { full, say } from '../harness/run.ts';
import { story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const count = full ? 2_000 : 200;
const leaseBoundMs = 60_000;

story(
  'a pod that dies loses no job of those it took or ran, and the others end them',
  async (use) => {
    const origin = use(await Origin.start());
    const fleet = use(await Fleet.start({ pods: ['pod-a', 'pod-b'] }));
    const env = { AGENT_ALLOW_ENDPOINTS: origin.endpoint, AGENT_MAX_CONCURRENT: '32' };
    for (const name of ['one', 'two', 'three']) await fleet.startAgent({ name, to: 'pod-b', env });
    await fleet.waitForAgents(['home-1/one', 'home-1/two', 'home-1/three']);
    const caller = new DurableCaller(fleet.pod('pod-a').grpc);
    const jobs: { id: string; marker: string; method: string }[] = [];
    const submitting = Array.from({ length: 10 }, async (_, lane) => {
      for (let i = lane; i < count; i += 10) {
        const [marker, method] = [`job-${i}`, i % 2 === 0 ? 'GET' : 'POST'];
        const request = { url: origin.url('/late/50'), method, headers: [{ name: 'x-marker', value: marker }] };
        const id = await caller.submit({ request }).catch(() => undefined);
        if (id === undefined) return;
        jobs.push({ id, marker, method });
      }
    });
    await until('half of them have arrived', () => origin.hits.length >= count / 2);
    await fleet.kill('pod-a');
    await Promise.all(submitting);

    const other = new DurableCaller(fleet.pod('pod-b').grpc);
    const states = new Map<string, number>();
    for (const { id } of jobs) {
      const { state } = await other.waitForEnd(id, leaseBoundMs);
      expect([JobState.SUCCEEDED, JobState.OUTCOME_UNKNOWN]).toContain(state);
      states.set(stateName(state), (states.get(stateName(state)) ?? 0) + 1);
    }
    say(`${jobs.length} jobs taken by a pod that was killed: ${JSON.stringify([...states])}`);
    for (const { marker, method } of jobs)
      if (method === 'POST') expect(origin.hitsOf(marker).length).toBeLessThanOrEqual(1);
  },
  full ? 5 * 60_000 : 2 * 60_000,
);
