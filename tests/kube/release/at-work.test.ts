// A release at work, without nodes: operator, orchestrator and agent as processes with the environment, the Secrets and the
// ServiceAccounts that the chart gives their pods, and then the job of `helm test`. A right that is missing fails here.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { listeningPorts, type Ports } from '../../harness/pod.ts';
import { Program } from '../../harness/process.ts';
import { freePort } from '../../harness/redis.ts';
import { TempDir } from '../../harness/temp.ts';
import { until } from '../../harness/waiting.ts';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { ApiServer } from './api-server.ts';
import { chartDir, parseManifests } from './chart.ts';
import { type PodSettings, podSettings, secretOf } from './installed.ts';

const programs: Program[] = [];
let api: ApiServer;
let dir: TempDir;
let ports: Ports;
let operator: PodSettings;
let orchestrator: PodSettings;

beforeAll(async () => {
  api = await ApiServer.start();
  dir = await TempDir.make();
  api.kubectl(['create', 'namespace', 'home']);
  runHelm(['install', 'demo', chartDir]);
  orchestrator = await podSettings(api, 'demo-resproxy-orchestrator', dir.path);
  operator = await podSettings(api, 'demo-resproxy-operator', dir.path);
}, helmBuildBoundMs);

afterAll(async () => {
  await Promise.all(programs.map((program) => program.kill()));
  await api?.close();
  await dir?.close();
});

function runHelm(args: readonly string[]): string {
  const { status, stdout, stderr } = api.run(helm(), [...args, '-n', 'home']);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

function run(name: string, env: Readonly<Record<string, string>>): Program {
  const program = new Program({ name, args: [`cmd/${name}/main.ts`], cwd: dir.path, env });
  programs.push(program);
  return program;
}

const anyPorts = Object.fromEntries(['HTTP', 'GRPC', 'AGENT', 'ADMIN'].map((door) => [`RESPROXY_${door}_PORT`, '0']));

function can(who: string, verb: string, what: string): boolean {
  const account = `system:serviceaccount:home:demo-resproxy-${who}`;
  return api.tryKubectl(['auth', 'can-i', verb, what, '-n', 'home', '--as', account]).status === 0;
}

describe('a release at work', () => {
  test('the orchestrator starts with what its pod is given, and is ready', async () => {
    const program = run('orchestrator', { ...orchestrator.env, ...anyPorts, KUBECONFIG: orchestrator.kubeconfig });
    ports = await listeningPorts(program);
    const ready = () => fetch(`http://127.0.0.1:${ports.admin}/readyz`).then(({ ok }) => ok);
    await until('the orchestrator is ready', ready);
  });

  test('the operator starts with what its pod is given, and leads', async () => {
    const reportUrl = `http://127.0.0.1:${ports.admin}/agent-counts`;
    const env = { ...operator.env, RESPROXY_ADMIN_PORT: '0', RESPROXY_REPORT_URL: reportUrl };
    const program = run('operator', { ...env, KUBECONFIG: operator.kubeconfig });
    await program.waitForLog('leads', ({ msg }) => msg === 'this process leads');
  });

  test('helm test: the AgentKey gets a Secret, an agent connects with it, and a job comes back', async () => {
    const agentKey = parseManifests(runHelm(['get', 'hooks', 'demo'])).find(({ kind }) => kind === 'AgentKey');
    api.kubectl(['apply', '-f', '-'], JSON.stringify(agentKey));
    const name = 'demo-resproxy-test';
    const written = () => api.tryKubectl(['get', 'secret', name, '-n', 'home']).status === 0;
    await until('the operator writes the Secret', written);
    const { AGENT_KEY = '', ORCH_WS = '' } = secretOf(api, name);
    expect(ORCH_WS).toBe('ws://demo-resproxy-agent.home.svc:8443/agent');
    const originPort = String(await freePort());
    run('agent', {
      AGENT_KEY,
      ORCH_WS: `ws://127.0.0.1:${ports.agent}/agent`,
      AGENT_ALLOW_ENDPOINTS: `127.0.0.1/32:${originPort}`,
    });
    const job = new Program({
      name: 'helm test',
      command: process.execPath,
      args: [`${chartDir}files/helm-test.mjs`],
      env: {
        JOBS_URL: `http://127.0.0.1:${ports.http}`,
        CALLER_TOKEN: secretOf(api, 'demo-resproxy-caller').token ?? '',
        ORIGIN_HOST: '127.0.0.1',
        ORIGIN_PORT: originPort,
        EXIT_LABEL: name,
      },
    });
    programs.push(job);
    expect(await job.exited).toMatchObject({ code: 0 });
  });

  test('the operator may ask how many agents are connected, and nobody without its token', async () => {
    const { token } = secretOf(api, 'demo-resproxy-report');
    const ask = async (given: string) => {
      const headers = { authorization: `Bearer ${given}` };
      const answer = await fetch(`http://127.0.0.1:${ports.admin}/agent-counts`, { headers });
      return { status: answer.status, body: await answer.text() };
    };
    expect(await ask(String(token))).toMatchObject({
      status: 200,
      body: expect.stringContaining('home.demo-resproxy-test'),
    });
    expect(await ask('another')).toMatchObject({ status: 401 });
  });

  test('the API server refused them nothing', () => {
    expect(programs.flatMap(({ output }) => output).filter((line) => /forbidden/i.test(line))).toEqual([]);
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
    expect(can(who, verb, what)).toBe(allowed);
  });
});
