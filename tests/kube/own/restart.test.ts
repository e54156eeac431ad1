// An API server that goes away and comes back: nobody has to be started again.
import { expect } from '@jest/globals';
import { story } from '../../harness/story.ts';
import { until } from '../../harness/waiting.ts';
import { Kube } from '../harness/kube.ts';
import { Lab } from '../harness/lab.ts';

story(
  'an API server that is killed and comes back: operator and orchestrator go on, and no process ends',
  async (use) => {
    const kube = use(await Kube.start());
    const lab = await Lab.make(kube, use);
    const { cluster, operator } = await lab.pair();
    await lab.apply('before');
    await lab.ready('before');
    const texts = await lab.secretTexts('before');
    lab.agentWith(texts);
    await cluster.waitForAgent(`${lab.namespace}.before/default`);

    await kube.plane.killServer();
    lab.agentWith({ ...texts, AGENT_NAME: 'newcomer' });
    await cluster.waitForAgent(`${lab.namespace}.before/newcomer`);
    expect(await cluster.agentIds()).toContain(`${lab.namespace}.before/default`);
    expect(await cluster.probe('/readyz')).toBe(200);
    await kube.plane.startServer();

    await lab.apply('after');
    await until('it is ready', async () => (await lab.agentKey('after')).status?.activeKeyID !== undefined, 40_000);
    await lab.patch('before', { suspend: true });
    await cluster.waitForNoAgent(`${lab.namespace}.before/default`, 40_000);
    expect([operator.program.alive, cluster.orchestrator.alive]).toEqual([true, true]);
    expect(operator.program.logs.some(({ msg }) => msg === 'this process no longer leads, and ends')).toBe(false);
  },
  150_000,
);
