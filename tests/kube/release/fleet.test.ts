// A release with Redis at work: two orchestrators and the operator run from the image with everything that their pods give
// them, an AgentKey is applied, its agent is connected to one pod, and a job is posted to the other by grpcurl.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ImageFolder } from '../../harness/image-folder.ts';
import { Origin } from '../../harness/origin.ts';
import type { Program } from '../../harness/process.ts';
import { RedisServer } from '../../harness/redis.ts';
import { grpcurl } from '../../harness/tools.ts';
import { until } from '../../harness/waiting.ts';
import { at, chartDir, secretText, valueFlags } from '../chart/chart.ts';
import { helmBuildBoundMs } from '../tools/helm.ts';
import { ApiServer } from './api-server.ts';
import { Kubelet } from './kubelet.ts';
import type { Pod } from './pod.ts';

const boundMs = 120_000;
const key = 'berlin';
let api: ApiServer;
let image: ImageFolder;
let redis: RedisServer;
let origin: Origin;
let kubelet: Kubelet;
let pods: readonly Pod[];
let agent: Program | undefined;

beforeAll(async () => {
  api = await ApiServer.start({ nodes: 2 });
  redis = await RedisServer.start({ users: [{ name: 'fleet', password: 'seldom-guessed' }] });
  origin = await Origin.start();
  api.restrictedNamespace('home');
  api.kubectl(['create', 'secret', 'generic', 'redis', '-n', 'home', `--from-literal=url=${redis.url}`]);
  const flags = valueFlags({ set: { 'redis.existingSecret.name': 'redis', 'orchestrator.replicas': 2 } });
  expect(api.helm(['install', 'demo', chartDir, '-n', 'home', '--wait', ...flags]).stderr).toBe('');
  image = await ImageFolder.build();
  kubelet = new Kubelet(api, image, 'home');
}, helmBuildBoundMs);

afterAll(async () => {
  await agent?.kill();
  await kubelet?.close();
  await image?.close();
  await origin?.close();
  await redis?.close();
  await api?.close();
}, boundMs);

const address = (index: number, port: number) => `${pods[index]?.status.podIP}:${port}`;

/** Against the second pod, as the caller that the chart made. */
async function call(flags: readonly string[], ...words: readonly string[]): Promise<string> {
  const token = secretText(api.object('secret', 'demo-resproxy-caller', 'home'), 'token');
  const args = ['-plaintext', '-H', `authorization: Bearer ${token}`, ...flags, address(1, 9090), ...words];
  return (await promisify(execFile)(grpcurl(), args, { timeout: boundMs })).stdout;
}

describe('a release with Redis', () => {
  test(
    'two orchestrators and two operators start with what their pods give them',
    async () => {
      pods = await kubelet.pods('orchestrator', 2);
      for (const pod of pods) {
        const program = await kubelet.run(pod, 'orchestrator');
        await program.waitForLog('ready', ({ msg }) => msg === 'ready');
      }
      for (const pod of await kubelet.pods('operator', 2)) {
        const program = await kubelet.run(pod, 'operator');
        await program.waitForLog('lists', ({ msg }) => msg === 'ready');
      }
    },
    boundMs,
  );

  test(
    'an AgentKey gets its Secret, and its agent connects to the first pod',
    async () => {
      const object = { apiVersion: 'resproxy.dev/v1alpha1', kind: 'AgentKey', metadata: { name: key }, spec: {} };
      api.kubectl(['apply', '-n', 'home', '-f', '-'], JSON.stringify(object));
      api.kubectl(['wait', '-n', 'home', '--for=condition=Ready', `akey/${key}`, '--timeout=30s']);
      const secret = api.object('secret', key, 'home');
      expect(secretText(secret, 'ORCH_WS')).toBe('ws://demo-resproxy-agent.home.svc:8443/agent');
      agent = image.start(['agent'], {
        ORCH_WS: `ws://${address(0, 8443)}/agent`,
        AGENT_KEY: secretText(secret, 'AGENT_KEY'),
        AGENT_ALLOW_PLAINTEXT: 'true',
        AGENT_ALLOW_ENDPOINTS: origin.endpoint,
      });
      await agent.waitForLog('connects', ({ msg }) => String(msg).startsWith('Connected to '));
    },
    boundMs,
  );

  test('grpcurl lists the services of the second pod, and a job that it calls there goes out through that agent', async () => {
    const services = await call([], 'list');
    expect(services.split('\n')).toEqual(
      expect.arrayContaining(['resproxy.v1.AgentService', 'resproxy.v1.JobService']),
    );
    expect(await call([], 'describe', 'resproxy.v1.JobService')).toContain('rpc RunJob');
    const job = JSON.stringify({ request: { url: origin.url('/bytes/3') } });
    const answer = JSON.parse(await call(['-d', job], 'resproxy.v1.JobService/RunJob')) as { response: unknown };
    expect(answer.response).toMatchObject({ statusCode: 200 });
  });

  test(
    'the operator that takes over says in the status who is connected',
    async () => {
      const isLeader = ({ logs }: Program) => logs.some(({ msg }) => msg === 'this process leads');
      const leader = await until('one leads', () => kubelet.programs.slice(2).find(isLeader));
      expect(await leader.stop()).toEqual({ code: 0, signal: null });
      const connected = () => at(api.object('akey', key, 'home'), 'status.agents.connected') === 1;
      await until('the status says so', connected, 60_000);
    },
    boundMs,
  );

  test(
    'orchestrators leave in peace within the time that their pods have',
    async () => {
      const graceMs = Number(at(pods[0], 'spec.terminationGracePeriodSeconds')) * 1_000;
      await agent?.stop();
      const exits = await Promise.all(kubelet.programs.slice(0, 2).map((program) => program.stop(graceMs)));
      expect(exits).toEqual([
        { code: 0, signal: null },
        { code: 0, signal: null },
      ]);
    },
    boundMs,
  );

  test('the API server refused them nothing', () => {
    const lines = kubelet.programs.flatMap(({ output }) => output);
    expect(lines.filter((line) => /forbidden/i.test(line))).toEqual([]);
  });
});
