// From `kubectl apply` to a connected agent and back: orchestrators honour AgentKeys by themselves, with the operator
// there or not.
import { expect } from '@jest/globals';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { patienceMs, timed } from '../harness/goals.ts';
import { Origin } from '../harness/origin.ts';
import { shared, story } from '../harness/story.ts';
import { until } from '../harness/waiting.ts';
import { Kube } from './harness/kube.ts';
import { Lab } from './harness/lab.ts';

const runJob = JobService.method.runJob;
const closedGoalMs = 2_000;
/** Time enough for a new agent to start and be seen. */
const overlapMs = 20_000;
const kube = shared(async (use) => use(await Kube.start()));

story(
  'an agent with the values of the Secret connects and does jobs, and kubectl shows it',
  async (use) => {
    const lab = await Lab.make(kube(), use);
    const { cluster } = await lab.pair();
    const origin = use(await Origin.start());
    await lab.kubectl('apply', '-f', 'k8s/samples/agentkey.yaml');
    await lab.ready('home-berlin');
    await lab.agent('home-berlin', { AGENT_ALLOW_ENDPOINTS: origin.endpoint });
    await cluster.waitForAgent(`${lab.namespace}.home-berlin/default`);
    const target = { country: 'DE' };
    const { response } = await cluster.grpc.call(runJob, { request: { url: origin.url('/bytes/3') }, target });
    expect(response?.statusCode).toBe(200);
    await lab.until('the agent is counted', 'home-berlin', ({ status }) => status?.agents?.connected === 1, 45_000);
    expect(await lab.kubectl('get', 'akey', 'home-berlin')).toMatch(/home-berlin\s+True\s+True\s+1\s+Active/);
  },
  90_000,
);

story(
  'suspended, expired or deleted, each closes the connection with the operator stopped',
  async (use) => {
    const lab = await Lab.make(kube(), use);
    const { cluster, operator } = await lab.pair();
    const names = ['suspended', 'expired', 'deleted'];
    for (const name of names) await lab.apply(name);
    for (const name of names) await lab.ready(name);
    for (const name of names) await lab.agent(name);
    for (const name of names) await cluster.waitForAgent(`${lab.namespace}.${name}/default`);
    expect(await operator.program.stop()).toEqual({ code: 0, signal: null });

    const closes = async (name: string, act: () => Promise<unknown>) => {
      await act();
      const closed = cluster.waitForNoAgent(`${lab.namespace}.${name}/default`, patienceMs(closedGoalMs));
      await timed(`${name}, the connection is closed`, closedGoalMs, closed);
    };
    await closes('suspended', () => lab.patch('suspended', { suspend: true }));
    await closes('expired', () => lab.patch('expired', { expiresAt: new Date().toISOString() }));
    await closes('deleted', () => lab.kubectl('delete', 'akey', 'deleted'));
    await lab.patch('suspended', { suspend: false });
    await lab.agent('suspended', { AGENT_NAME: 'again' });
    await cluster.waitForAgent(`${lab.namespace}.suspended/again`);
  },
  90_000,
);

story(
  'rotated by id: the old key works until its overlap ends, then not, and the new one does',
  async (use) => {
    const lab = await Lab.make(kube(), use);
    const { cluster } = await lab.pair();
    await lab.apply('home', { rotation: { overlap: `${overlapMs / 1_000}s` } });
    await lab.ready('home');
    const old = await lab.agent('home', { AGENT_NAME: 'old' });
    await cluster.waitForAgent(`${lab.namespace}.home/old`);
    await lab.patch('home', { rotation: { id: '2', overlap: `${overlapMs / 1_000}s` } });
    await lab.until('a second key', 'home', ({ status }) => status?.keys?.length === 2);
    await lab.ready('home');
    await lab.agent('home', { AGENT_NAME: 'new' });
    await cluster.waitForAgent(`${lab.namespace}.home/new`);
    expect(await cluster.agentIds()).toContain(`${lab.namespace}.home/old`);
    await cluster.waitForNoAgent(`${lab.namespace}.home/old`, patienceMs(overlapMs));
    expect(await cluster.agentIds()).toEqual([`${lab.namespace}.home/new`]);
    await old.waitForLog('is told', ({ level }) => level === 'warn' || level === 'error');
  },
  90_000,
);

story(
  'what the key says of its agents holds: labels, tenant, how many',
  async (use) => {
    const lab = await Lab.make(kube(), use);
    const { cluster } = await lab.pair();
    await lab.apply('mine', { labels: { country: 'FR', line: 'fibre' }, maxAgents: 1 });
    await lab.apply('theirs', { tenants: ['somebody-else'] });
    for (const name of ['mine', 'theirs']) await lab.ready(name);
    await lab.agent('mine', { AGENT_LABELS: 'country=DE' });
    await cluster.waitForAgent(`${lab.namespace}.mine/default`);
    const [agent] = await cluster.agents();
    expect(agent?.exits[0]).toMatchObject({ country: 'FR', labels: { line: 'fibre' } });
    const second = await lab.agent('mine', { AGENT_NAME: 'second' });
    await second.waitForLog('is told that there are enough', ({ level }) => level === 'warn' || level === 'error');
    const refused = await lab.agent('theirs');
    await refused.waitForLog('is refused', ({ level }) => level === 'warn' || level === 'error');
    expect(await cluster.agentIds()).toEqual([`${lab.namespace}.mine/default`]);
    expect(cluster.orchestrator.logs.some(({ msg }) => String(msg).startsWith('an AgentKey cannot be used'))).toBe(
      true,
    );
  },
  90_000,
);

story('keys that another object claims are refused, whoever wrote them there', async (use) => {
  const lab = await Lab.make(kube(), use);
  const { cluster, operator } = await lab.pair();
  await lab.apply('owner');
  await lab.ready('owner');
  await operator.program.stop();
  const { status } = await lab.agentKey('owner');
  await lab.apply('thief');
  const stolen = JSON.stringify({ status: { ...status, secretName: 'thief' } });
  await lab.kubectl('patch', 'akey', 'thief', '--subresource=status', '--type=merge', '-p', stolen);
  await until('it is told', () =>
    cluster.orchestrator.logs.some(({ agentKey }) => agentKey === `${lab.namespace}/thief`),
  );
  await lab.agent('owner');
  await cluster.waitForAgent(`${lab.namespace}.owner/default`);
});
