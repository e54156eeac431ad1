// What `helm test` runs in its pod, run here: the script against a real orchestrator and a real agent, with the settings
// that the pod gives to both.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Cluster } from '../../harness/cluster.ts';
import { Program } from '../../harness/process.ts';
import { freePort } from '../../harness/redis.ts';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { at, chartDir, render } from './chart.ts';

const exitLabel = 'demo-resproxy-test';
let cluster: Cluster;
let originPort: number;

beforeAll(async () => {
  helm();
  originPort = await freePort();
  cluster = await Cluster.start();
  await cluster.addKey({ name: 'test', labels: { 'helm-test': exitLabel } });
  const endpoint = podEnv('initContainers').AGENT_ALLOW_ENDPOINTS ?? '';
  await cluster.startAgent({
    keyName: 'test',
    env: { AGENT_ALLOW_ENDPOINTS: endpoint.replace('$(POD_IP)', '127.0.0.1').replace('8081', String(originPort)) },
  });
}, helmBuildBoundMs);

afterAll(() => cluster?.close());

function podEnv(containers: 'initContainers' | 'containers'): Record<string, string> {
  const env = at(render().one('Pod'), `spec.${containers}.0.env`) as { name: string; value?: string }[];
  return Object.fromEntries(env.map(({ name, value }) => [name, value ?? '']));
}

async function runScript(env: Readonly<Record<string, string>>): Promise<{ code: number | null; said: string }> {
  const names = Object.keys(podEnv('containers')).filter((name) => name !== 'POD_IP');
  const given: Record<string, string> = {
    JOBS_URL: `http://127.0.0.1:${cluster.ports.http}`,
    CALLER_TOKEN: cluster.token,
    ORIGIN_HOST: '127.0.0.1',
    ORIGIN_PORT: String(originPort),
    EXIT_LABEL: exitLabel,
  };
  // What the pod does not give, the script does not get here either.
  expect(Object.keys(given).sort()).toEqual(names.sort());
  const program = new Program({
    name: 'helm test',
    command: process.execPath,
    args: [`${chartDir}files/helm-test.mjs`],
    env: { ...given, ...env },
  });
  const { code } = await program.exited;
  return { code, said: program.output.join('\n') };
}

describe('helm test', () => {
  test('is content when a job comes back', async () => {
    expect(await runScript({})).toEqual({ code: 0, said: 'a job went out through an agent and its answer came back' });
  });

  test('says what stands in the way', async () => {
    const { code, said } = await runScript({ EXIT_LABEL: 'nobody', BOUND_MS: '500' });
    expect(code).toBe(1);
    expect(said).toContain('no job went through: 503');
  });

  test('says that the token is not known', async () => {
    const { code, said } = await runScript({ CALLER_TOKEN: 'wrong', BOUND_MS: '0' });
    expect(code).toBe(1);
    expect(said).toContain('no job went through: 401');
  });

  test('does not wait for an orchestrator that is not there for longer than its bound', async () => {
    const { code, said } = await runScript({ JOBS_URL: 'http://127.0.0.1:1', BOUND_MS: '500' });
    expect(code).toBe(1);
    expect(said).toContain('no job went through: fetch failed');
  });
});
