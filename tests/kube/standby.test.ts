// Several operators: one acts at any time, and nothing is changed by one that should not. And an API server that is not
// there.
import { expect } from '@jest/globals';
import { patienceMs, timed } from '../harness/goals.ts';
import { Program } from '../harness/process.ts';
import { shared, story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';
import { until } from '../harness/waiting.ts';
import { Kube } from './harness/kube.ts';
import { writeKubeconfig } from './harness/kubeconfig.ts';
import { Lab } from './harness/lab.ts';
import { Operator } from './harness/operator.ts';

/** What a lease lasts, and how often those without it look. */
const leaseMs = 17_000;
const handoverGoalMs = 4_000;
const kube = shared(async (use) => use(await Kube.start()));

story(
  'a leader that is frozen is replaced within the lease, and when it wakes it writes nothing and ends',
  async (use) => {
    const lab = await Lab.make(kube(), use);
    const first = await lab.operator({ RESPROXY_POD_ID: 'first' });
    const second = use(await Operator.start(kube(), lab.namespace, { RESPROXY_POD_ID: 'second' }));
    await lab.apply('before');
    await lab.ready('before');

    first.program.signal('SIGSTOP');
    await timed('a frozen leader is replaced', leaseMs, second.leads(patienceMs(leaseMs)));
    await lab.apply('meanwhile');
    await lab.ready('meanwhile');
    const versions = async () => {
      const objects = await kube().json<{ items: { metadata: { name: string; resourceVersion: string } }[] }>(
        'get',
        'akey,secrets',
        '-n',
        lab.namespace,
      );
      return objects.items.map(({ metadata }) => `${metadata.name} ${metadata.resourceVersion}`);
    };
    const before = await versions();
    // It wakes to a change that it would have to act upon.
    first.program.signal('SIGCONT');
    expect(await first.program.exited).toEqual({ code: 1, signal: null });
    expect(first.program.output.join('\n')).toContain('this process no longer leads');
    expect(await versions()).toEqual(before);
    const { spec } = await kube().json<{ spec: { holderIdentity: string; leaseTransitions: number } }>(
      'get',
      'lease',
      'resproxy-operator',
      '-n',
      lab.namespace,
    );
    expect(spec.holderIdentity).toMatch(/^second_/);
    expect(spec.leaseTransitions).toBe(1);
  },
  90_000,
);

story('a leader that stops hands over at once', async (use) => {
  const lab = await Lab.make(kube(), use);
  const first = await lab.operator();
  const second = use(await Operator.start(kube(), lab.namespace));
  expect(await first.program.stop()).toEqual({ code: 0, signal: null });
  await timed('a leader that stops is replaced', handoverGoalMs, second.leads(patienceMs(handoverGoalMs)));
});

story(
  'a leader that is killed in the middle of a hundred keys leaves nothing half done',
  async (use) => {
    const lab = await Lab.make(kube(), use);
    const first = await lab.operator();
    const names = Array.from({ length: 100 }, (_, i) => `k${i}`);
    const items = names.map((name) => ({
      apiVersion: 'resproxy.dev/v1alpha1',
      kind: 'AgentKey',
      metadata: { name, namespace: lab.namespace },
      spec: {},
    }));
    const applied = kube().apply({ apiVersion: 'v1', kind: 'List', items });
    await until('some are made', async () => (await first.metrics()).sum('resproxy_operator_reconciles_total') > 20);
    await first.program.kill();
    await applied;
    const second = use(await Operator.start(kube(), lab.namespace));
    await second.leads(patienceMs(leaseMs));
    await lab.kubectl('wait', '--for=condition=Ready', 'akey', '--all', '--timeout=40s');
    for (const name of ['k0', 'k50', 'k99']) {
      const { status } = await lab.agentKey(name);
      expect((await lab.secretTexts(name)).AGENT_KEY_ID).toBe(status?.activeKeyID);
      expect(status?.keys).toHaveLength(1);
    }
  },
  90_000,
);

story(
  'an orchestrator that has never reached the API server is alive and not ready, and no agent gets in',
  async (use) => {
    const dir = use(await TempDir.make());
    const kubeconfig = dir.file('kubeconfig');
    await writeKubeconfig(kubeconfig, { server: 'https://127.0.0.1:1', namespace: 'homes', token: 'none' });
    const orchestrator = new Program({
      name: 'orchestrator',
      args: ['cmd/orchestrator/main.ts'],
      cwd: dir.path,
      env: { RESPROXY_KEYS: 'kubernetes:homes', RESPROXY_ADMIN_PORT: '0', KUBECONFIG: kubeconfig },
    });
    use({ close: () => orchestrator.kill() });
    const { port } = await orchestrator.waitForLog(
      'listens',
      ({ msg, door }) => msg === 'listening' && door === 'admin',
    );
    await orchestrator.waitForLog('tries', ({ msg }) => String(msg).startsWith('AgentKeys cannot be watched'));
    const probe = async (path: string) => (await fetch(`http://127.0.0.1:${Number(port)}${path}`)).status;
    expect([await probe('/livez'), await probe('/readyz')]).toEqual([200, 503]);
    expect(orchestrator.logs.filter(({ msg }) => msg === 'listening')).toHaveLength(1);
    orchestrator.signal('SIGTERM');
    await orchestrator.exited;
  },
);
