// The chart on a real API server, by real Helm: everything it renders is taken without a warning in a namespace that
// enforces `restricted`, and an upgrade changes nothing that need not.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { projectDir } from '../../harness/process.ts';
import { until } from '../../harness/waiting.ts';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { ApiServer } from './api-server.ts';
import { chartDir, type Manifest, matrix, parseManifests, type Values, valueFlags } from './chart.ts';
import { foreignCrds, foreignCrdsBoundMs } from './foreign-crds.ts';

let api: ApiServer;
const namespaces = ['home', 'homes', 'lab'];

beforeAll(async () => {
  helm();
  const crds = foreignCrds();
  api = await ApiServer.start();
  for (const name of namespaces) {
    api.kubectl(['create', 'namespace', name]);
    const levels = ['enforce', 'warn', 'audit'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`);
    api.kubectl(['label', 'namespace', name, ...levels]);
  }
  const all = [...crds, `${projectDir}k8s/crd/agentkeys.resproxy.dev.yaml`];
  api.kubectl(['create', ...all.flatMap((file) => ['-f', file])]);
  await until('the resources are served', () => crdsAreServed(all.length));
}, helmBuildBoundMs + foreignCrdsBoundMs);

afterAll(() => api?.close());

function crdsAreServed(count: number): boolean {
  const { items } = JSON.parse(api.kubectl(['get', 'crd', '-o', 'json']).stdout) as { items: Manifest[] };
  const conditions = items.map(
    ({ status }) => (status as { conditions?: { type: string; status: string }[] }).conditions,
  );
  const served = conditions.filter((all) =>
    all?.some(({ type, status }) => type === 'Established' && status === 'True'),
  );
  return served.length === count;
}

function runHelm(args: readonly string[]) {
  const ran = api.run(helm(), [...args, '--namespace', 'home']);
  if (ran.status !== 0) throw new Error(`helm ${args.join(' ')}\n${ran.stderr}`);
  return ran;
}

const install = (values: Values = {}) =>
  runHelm(['install', 'demo', chartDir, ...valueFlags({ ...values, set: { 'crds.install': false, ...values.set } })]);
const upgrade = (values: Values = {}, flags: readonly string[] = []) =>
  runHelm([
    'upgrade',
    'demo',
    chartDir,
    ...flags,
    ...valueFlags({ ...values, set: { 'crds.install': false, ...values.set } }),
  ]);
const uninstall = () => runHelm(['uninstall', 'demo', '--ignore-not-found']);

/** Every object of the release that is in the cluster, as text without what the API server counts. */
function contents(): Readonly<Record<string, string>> {
  const kinds =
    'all,secrets,configmaps,ingresses,roles,rolebindings,serviceaccounts,pdb,hpa,pvc,networkpolicies,agentkeys';
  const args = ['get', kinds, '--all-namespaces', '-l', 'app.kubernetes.io/instance=demo', '-o', 'json'];
  const { items } = JSON.parse(api.kubectl(args).stdout) as { items: Manifest[] };
  const counted = (key: string, value: unknown) => (key === 'resourceVersion' ? undefined : value);
  return Object.fromEntries(items.map((item) => [`${item.kind}/${item.metadata.name}`, JSON.stringify(item, counted)]));
}

describe('what the chart renders', () => {
  test.each(matrix)('%s is taken by the API server, strictly and without a warning', (file) => {
    const rendered = runHelm(['template', 'demo', chartDir, ...valueFlags({ file })]).stdout;
    const { stdout, stderr } = api.kubectl(
      ['apply', '--server-side', '--dry-run=server', '--validate=strict', '--force-conflicts', '-f', '-'],
      rendered,
    );
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toHaveLength(parseManifests(rendered).length);
  });
});

describe.each(['alone.yaml', 'fleet.yaml'])('a release of %s', (file) => {
  afterAll(() => {
    uninstall();
  });

  test('is installed without a warning, and its objects stay as they are when nothing changed', () => {
    expect(install({ file }).stderr).toBe('');
    const before = contents();
    expect(Object.keys(before).length).toBeGreaterThan(12);
    upgrade({ file });
    expect(contents()).toEqual(before);
  });

  test('tells of an AgentKey that is taken as it stands', () => {
    const [, agentKey = ''] = /<<EOF\n(.*?)\nEOF/s.exec(runHelm(['get', 'notes', 'demo']).stdout) ?? [];
    const { stdout, stderr } = api.kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], agentKey);
    expect(stdout).toContain('agentkey.resproxy.dev/berlin-1 created');
    expect(stderr).toBe('');
  });

  test('keeps its secrets and changes one object when one value changes, and goes back', () => {
    const before = contents();
    upgrade({ file, set: { 'service.http.annotations': { 'example.com/a': 'b' } } });
    const after = contents();
    const changed = Object.keys(after).filter((name) => after[name] !== before[name]);
    expect(changed).toEqual(['Service/demo-resproxy-http']);
    runHelm(['rollback', 'demo', '1']);
    const args = [
      'get',
      'service',
      'demo-resproxy-http',
      '-n',
      'home',
      '-o',
      'jsonpath={.metadata.annotations.example\\.com/a}',
    ];
    expect(api.kubectl(args).stdout).toBe('');
    const secrets = (all: Readonly<Record<string, string>>) =>
      Object.entries(all).filter(([name]) => name.startsWith('Secret/'));
    expect(secrets(contents())).toEqual(secrets(before));
  });
});

describe('an uninstall', () => {
  test('leaves the AgentKey resource, the keys and the jobs', () => {
    api.kubectl(['delete', 'crd', 'agentkeys.resproxy.dev', '--wait=false']);
    runHelm(['install', 'demo', chartDir]);
    api.kubectl(
      ['apply', '-n', 'home', '-f', '-'],
      JSON.stringify({ apiVersion: 'resproxy.dev/v1alpha1', kind: 'AgentKey', metadata: { name: 'berlin' }, spec: {} }),
    );
    uninstall();
    expect(api.kubectl(['get', 'akey', '-n', 'home', '-o', 'name']).stdout).toContain('agentkey.resproxy.dev/berlin');
    expect(Object.keys(contents())).toEqual(['PersistentVolumeClaim/demo-resproxy-data']);
    // What was left belongs to a release of that name: it may come back.
    runHelm(['install', 'demo', chartDir]);
    uninstall();
  });
});

describe('without Helm', () => {
  test('the manifests are taken by the API server, strictly and without a warning', () => {
    api.kubectl(['create', '-f', `${projectDir}k8s/manifests/namespace.yaml`]);
    for (const folder of ['manifests', 'dev', 'dev/agent']) {
      const flags = ['--server-side', '--dry-run=server', '--validate=strict', '--force-conflicts'];
      expect(api.kubectl(['apply', ...flags, '-k', `${projectDir}k8s/${folder}`]).stderr).toBe('');
    }
  });
});
