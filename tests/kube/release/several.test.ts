// Several orchestrators: refused without Redis by a sentence that leaves the cluster as it was, and with it spread over
// nodes and evicted one by one.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { until } from '../../harness/waiting.ts';
import { at, type Manifest } from '../chart/chart.ts';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { ApiServer } from './api-server.ts';
import { holds, inHome, Release } from './release.ts';

const boundMs = 120_000;
let api: ApiServer;
let release: Release;

beforeAll(async () => {
  helm();
  api = await ApiServer.start({ nodes: 3 });
  api.restrictedNamespace('home');
  api.volumes(1);
  release = new Release(api);
}, helmBuildBoundMs);

afterAll(() => api?.close());

describe('without Redis', () => {
  test.each([
    [{ 'orchestrator.replicas': 2 }, 'orchestrator.replicas is 2, and more than one orchestrator needs Redis'],
    [{ 'orchestrator.replica': 2 }, "additional properties 'replica' not allowed"],
  ])('%j is refused with a sentence, and nothing is installed', (set, sentence) => {
    const { status, stderr } = release.try('install', { set });
    expect([status === 0, stderr]).toEqual([false, expect.stringContaining(sentence)]);
    expect(api.helm(['list', ...inHome, '--short']).stdout).toBe('');
    expect(api.kubectl(['get', 'all,secrets', ...inHome, '-o', 'name']).stdout).toBe('');
  });

  test(
    'an upgrade to them is refused, and the release stays as it is',
    () => {
      release.install({});
      const before = release.objects();
      const { status, stderr } = release.try('upgrade', { set: { 'autoscaling.enabled': true } });
      expect([status === 0, stderr]).toEqual([false, expect.stringContaining('autoscaling.enabled needs Redis')]);
      expect(release.objects()).toEqual(before);
    },
    boundMs,
  );
});

describe('with Redis', () => {
  test(
    'an upgrade makes three of one, each on a node of its own zone',
    async () => {
      expect(release.upgrade({ set: { 'redis.url': 'redis://redis.example.com:6379' } }).stderr).toBe('');
      const { pods } = await release.settled(3);
      const nodes = pods.filter(({ part }) => part === 'orchestrator').map(({ node }) => node);
      expect(new Set(nodes).size).toBe(3);
    },
    boundMs,
  );

  test('none is evicted while another is not ready, and that one is', async () => {
    const [sick = '', well = ''] = orchestrators().map(({ metadata }) => metadata.name);
    const patch = JSON.stringify({ status: { conditions: [{ type: 'Ready', status: 'False' }] } });
    api.kubectl(['patch', 'pod', sick, ...inHome, '--subresource=status', '-p', patch]);
    await until('the budget is used up', () => {
      return at(api.object('pdb', 'demo-resproxy-orchestrator', 'home'), 'status.disruptionsAllowed') === 0;
    });
    expect(evict(well)).toContain("would violate the pod's disruption budget");
    expect(evict(sick)).toBe('');
    await until('another takes its place', () => {
      const ready = orchestrators().filter((pod) => holds(pod, 'Ready'));
      return ready.length === 3 && ready.every(({ metadata }) => metadata.name !== sick);
    });
  });
});

function orchestrators(): readonly Manifest[] {
  const args = ['get', 'pods', ...inHome, '-l', 'app.kubernetes.io/component=orchestrator', '-o', 'json'];
  return (JSON.parse(api.kubectl(args).stdout) as { items: Manifest[] }).items;
}

/** What the API server has against it. */
function evict(name: string): string {
  const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name, namespace: 'home' } };
  const path = `/api/v1/namespaces/home/pods/${name}/eviction`;
  return api.tryKubectl(['create', '--raw', path, '-f', '-'], JSON.stringify(eviction)).stderr;
}
