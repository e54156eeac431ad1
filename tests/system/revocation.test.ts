// A key that is taken away takes its agent's connection with it, and whatever that agent would still have answered.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { timed } from '../harness/goals.ts';
import { Origin } from '../harness/origin.ts';
import { story, type Use } from '../harness/story.ts';

const runJob = JobService.method.runJob;
const closedGoalMs = 2_000;
const agentId = 'home-1/default';

async function lab(use: Use) {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start());
  const agent = await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
  return { origin, cluster, agent };
}

story('a key that leaves the file closes its connection, and no answer of its jobs comes back', async (use) => {
  const { origin, cluster, agent } = await lab(use);
  const headers = [{ name: 'x-marker', value: 'held' }];
  const job = cluster.grpc.failure(runJob, { request: { url: origin.url('/hold/held'), method: 'POST', headers } });
  await origin.waitForHits('held');

  await cluster.revokeKey('home-1');
  const failure = await timed('a key leaves the file, its connection is closed', closedGoalMs, job);
  expect(failure.info?.reason).toBe('OUTCOME_UNKNOWN');
  expect(await cluster.agentIds()).toEqual([]);

  origin.holds.releaseAll();
  const late = await cluster.grpc.failure(runJob, { request: { url: origin.url('/bytes/1') } });
  expect(late.info?.reason).toBe('NO_EXIT_AVAILABLE');
  expect(agent.alive).toBe(true);
});

story(
  'a suspended key closes its connection too, and opens the door again when it is no longer suspended',
  async (use) => {
    const { cluster, origin, agent } = await lab(use);
    await cluster.changeKey('home-1', { suspended: true });
    await cluster.waitForNoAgent(agentId);
    await agent.stop();

    await cluster.changeKey('home-1', { suspended: false });
    await cluster.startAgent({ env: { AGENT_ALLOW_ENDPOINTS: origin.endpoint } });
    const { response } = await cluster.grpc.call(runJob, { request: { url: origin.url('/bytes/1') } });
    expect(response?.statusCode).toBe(200);
  },
);

story('a changed policy keeps the connection', async (use) => {
  const { cluster, agent } = await lab(use);
  const [before] = await cluster.agents();
  await cluster.changeKey('home-1', { tenants: ['someone-else'] });
  await cluster.waitForNoAgent(agentId);
  await cluster.changeKey('home-1', { tenants: ['acme'] });
  await cluster.waitForAgent(agentId);
  expect((await cluster.agents())[0]?.connectionId).toBe(before?.connectionId);
  expect(agent.alive).toBe(true);
});

story('a wrong key is told so once, plainly, and the agent stays up', async (use) => {
  const { cluster } = await lab(use);
  await cluster.addKey({ name: 'gone' });
  const stranger = await cluster.addKey({ name: 'stranger' });
  await cluster.revokeKey('stranger');
  await cluster.revokeKey('gone');
  const agent = await cluster.startAgent({ name: 'other', env: { AGENT_KEY: stranger }, detached: true });
  const line = await agent.waitForLog('the refusal', ({ level }) => level === 'warn' || level === 'error');
  expect(String(line.msg)).toMatch(/key/i);
  expect(JSON.stringify(agent.logs)).not.toContain(stranger);
  expect(agent.alive).toBe(true);
});
