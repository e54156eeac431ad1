// A release of defaults at work: its pods are on nodes that kwok plays, and their containers run here, from the image's
// programs with everything that the pods give them. `helm test` is Helm's own, and its pod ends as its container ended.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ImageFolder } from '../../harness/image-folder.ts';
import { until } from '../../harness/waiting.ts';
import { chartDir, secretText } from '../chart/chart.ts';
import { helmBuildBoundMs } from '../tools/helm.ts';
import { ApiServer, withoutInformation } from './api-server.ts';
import { Kubelet } from './kubelet.ts';
import type { Pod } from './pod.ts';

const boundMs = 120_000;
let api: ApiServer;
let image: ImageFolder;
let kubelet: Kubelet;
let orchestrator: Pod;

beforeAll(async () => {
  api = await ApiServer.start({ nodes: 2 });
  api.restrictedNamespace('home');
  api.volumes(1);
  expect(api.helm(['install', 'demo', chartDir, '-n', 'home', '--wait']).stderr).toBe('');
  image = await ImageFolder.build();
  kubelet = new Kubelet(api, image, 'home');
}, helmBuildBoundMs);

afterAll(async () => {
  await kubelet?.close();
  await image?.close();
  await api?.close();
}, boundMs);

/** What the operator asks for. */
async function counts(token = secretText(api.object('secret', 'demo-resproxy-report', 'home'), 'token')) {
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`http://${orchestrator.status.podIP}:9464/agent-counts`, { headers });
  return { status: answer.status, body: await answer.text() };
}

describe('a release of defaults', () => {
  test(
    'its orchestrator is ready, in its image and with what its pod gives it',
    async () => {
      const [pod] = await kubelet.pods('orchestrator', 1);
      orchestrator = pod as Pod;
      const program = await kubelet.run(orchestrator, 'orchestrator');
      await program.waitForLog('ready', ({ msg }) => msg === 'ready');
      expect((await fetch(`http://${orchestrator.status.podIP}:9464/readyz`)).status).toBe(200);
    },
    boundMs,
  );

  test(
    'its operators start, and one leads',
    async () => {
      for (const pod of await kubelet.pods('operator', 2)) {
        const program = await kubelet.run(pod, 'operator');
        await program.waitForLog('lists', ({ msg }) => msg === 'ready');
      }
      const operators = kubelet.programs.slice(-2);
      await until('one leads', () =>
        operators.some(({ logs }) => logs.some(({ msg }) => msg === 'this process leads')),
      );
    },
    boundMs,
  );

  test(
    'helm test: the AgentKey gets a Secret, an agent connects with it, a job comes back, and Helm is content',
    async () => {
      const helmTest = api.startHelm(['test', 'demo', '-n', 'home', '--timeout', '100s']);
      const [pod] = await kubelet.pods('test', 1);
      await until('the operator writes the Secret', () => {
        return api.tryKubectl(['get', 'secret', 'demo-resproxy-test', '-n', 'home']).status === 0;
      });
      await kubelet.run(pod as Pod, 'agent');
      await until('the orchestrator counts the agent', async () =>
        (await counts()).body.includes('home.demo-resproxy-test'),
      );
      const job = await kubelet.run(pod as Pod, 'job');
      const { code } = await job.exited;
      expect(job.output).toContain('a job went out through an agent and its answer came back');
      kubelet.ended(pod as Pod, code === 0 ? 'Succeeded' : 'Failed');
      const { code: helmCode } = await helmTest.exited;
      const said = withoutInformation(helmTest.output.join('\n'));
      expect([helmCode, said]).toEqual([0, expect.stringMatching(/Phase:\s+Succeeded/)]);
      expect(said).not.toMatch(/warning/i);
    },
    boundMs,
  );

  test('how many agents are connected is told to nobody without the token of the report', async () => {
    expect((await counts('another')).status).toBe(401);
  });

  test('the API server refused them nothing', () => {
    const lines = kubelet.programs.flatMap(({ output }) => output);
    expect(lines.filter((line) => /forbidden/i.test(line))).toEqual([]);
  });

  test.each([
    ['orchestrator', 'list', 'agentkeys.resproxy.dev', true],
    ['orchestrator', 'update', 'agentkeys.resproxy.dev/status', false],
    ['orchestrator', 'get', 'secrets', false],
    ['orchestrator', 'create', 'leases.coordination.k8s.io', false],
    ['operator', 'create', 'secrets', true],
    ['operator', 'delete', 'secrets', false],
    ['operator', 'update', 'agentkeys.resproxy.dev', false],
    ['operator', 'update', 'leases.coordination.k8s.io/demo-resproxy-operator', true],
    ['operator', 'update', 'leases.coordination.k8s.io/another', false],
  ])('%s: %s %s: %s', (who, verb, what, allowed) => {
    const account = `system:serviceaccount:home:demo-resproxy-${who}`;
    const { status } = api.tryKubectl(['auth', 'can-i', verb, what, '-n', 'home', '--as', account]);
    expect(status === 0).toBe(allowed);
  });
});
