// SIGTERM finishes what has begun: jobs end well, agents are told to go elsewhere, and the programs end with status 0.
import { expect } from '@jest/globals';
import { AgentService, AgentStatus } from '../../gen/resproxy/v1/agent_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Cluster } from '../harness/cluster.ts';
import { Origin } from '../harness/origin.ts';
import { story, type Use } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';

const runJob = JobService.method.runJob;
const jobCount = 20;

async function lab(use: Use) {
  const origin = use(await Origin.start());
  const cluster = use(await Cluster.start({ env: { RESPROXY_DRAIN_SPREAD_MS: '100' } }));
  const env = { AGENT_ALLOW_ENDPOINTS: origin.endpoint, AGENT_MAX_CONCURRENT: String(2 * jobCount) };
  const agent = await cluster.startAgent({ env });
  return { origin, cluster, agent, env };
}

/** Jobs that are at the origin when this resolves. */
async function jobsInFlight(origin: Origin, cluster: Cluster) {
  const headers = [{ name: 'x-marker', value: 'held' }];
  const jobs = Array.from({ length: jobCount }, () =>
    cluster.grpc.call(runJob, { request: { url: origin.url('/hold/all'), method: 'POST', headers } }),
  );
  await origin.waitForHits('held', jobCount);
  return jobs;
}

async function expectAllFine(jobs: Awaited<ReturnType<typeof jobsInFlight>>): Promise<void> {
  const answers = await Promise.all(jobs);
  expect(answers.map(({ response }) => response?.statusCode)).toEqual(jobs.map(() => 200));
}

story('SIGTERM to the agent with 20 jobs in flight: all finish, and it ends with status 0', async (use) => {
  const { origin, cluster, agent } = await lab(use);
  const jobs = await jobsInFlight(origin, cluster);
  agent.signal('SIGTERM');
  await until('the pod hears of it', async () => (await cluster.agents())[0]?.status === AgentStatus.DRAINING);
  const refused = await cluster.grpc.failure(runJob, { request: { url: origin.url('/echo') } });
  expect(refused.info?.reason).toBe('NO_EXIT_AVAILABLE');
  origin.holds.releaseAll();
  await expectAllFine(jobs);
  expect(await agent.exited).toEqual({ code: 0, signal: null });
});

story('an agent whose jobs outlive its grace ends all the same', async (use) => {
  const { origin, cluster, env } = await lab(use);
  const agent = await cluster.startAgent({ name: 'hasty', env: { ...env, AGENT_GRACE_PERIOD_MS: '300' } });
  const headers = [{ name: 'x-marker', value: 'late' }];
  const target = { exitId: 'home-1/hasty/direct' };
  const job = cluster.grpc.failure(runJob, { request: { url: origin.url('/hang'), method: 'POST', headers }, target });
  await origin.waitForHits('late');
  agent.signal('SIGTERM');
  expect((await job).info?.reason).toBe('OUTCOME_UNKNOWN');
  expect(await agent.exited).toEqual({ code: 0, signal: null });
});

story(
  'SIGTERM to the orchestrator: readiness off, jobs finish, the agent is told to reconnect, status 0',
  async (use) => {
    const { origin, cluster, agent } = await lab(use);
    const jobs = await jobsInFlight(origin, cluster);
    expect(await cluster.probe('/readyz')).toBe(200);
    const heard = agent.logs.length;
    cluster.orchestrator.signal('SIGTERM');
    await until('readiness is off', async () => (await cluster.probe('/readyz')) === 503);
    expect(await cluster.probe('/livez')).toBe(200);
    await agent.waitForLog('the agent hears of the drain', ({ msg }) => /move|drain/i.test(String(msg)), {
      from: heard,
    });
    origin.holds.releaseAll();
    await expectAllFine(jobs);
    const exit = await cluster.orchestrator.exited;
    expect(exit).toEqual({ code: 0, signal: null });
    expect(agent.alive).toBe(true);
  },
);

story('an agent told to drain by the pod takes a new connection before it leaves the old one', async (use) => {
  const { origin, cluster, agent } = await lab(use);
  const jobs = await jobsInFlight(origin, cluster);
  const [old] = await cluster.agents();
  const { connections } = await cluster.grpc.call(AgentService.method.drainAgent, { agentId: 'home-1/default' });
  expect(connections).toBe(1);
  await until('a new connection took over', async () => {
    const agents = await cluster.agents();
    return agents.some(
      ({ connectionId, status }) => connectionId !== old?.connectionId && status !== AgentStatus.DRAINING,
    );
  });
  const { response } = await cluster.grpc.call(runJob, { request: { url: origin.url('/bytes/5') } });
  expect(response?.body.length).toBe(5);
  origin.holds.releaseAll();
  await expectAllFine(jobs);
  expect(agent.alive).toBe(true);
});
