// The chart installed by real Helm on a real API server, into a namespace that enforces `restricted`: everything it renders
// is taken without a warning, `--wait` sees it ready on nodes that kwok plays, and an upgrade changes nothing that need not.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { projectDir } from '../../harness/process.ts';
import { until } from '../../harness/waiting.ts';
import { at, chartDir, type Manifest, matrix, parseManifests, render, valueFlags } from '../chart/chart.ts';
import { foreignCrds, foreignCrdsBoundMs } from '../chart/foreign-crds.ts';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { ApiServer } from './api-server.ts';
import { holds, inHome, type Objects, Release, uidsOf } from './release.ts';

const boundMs = 120_000;
let api: ApiServer;
let release: Release;

beforeAll(async () => {
  helm();
  const crds = foreignCrds();
  api = await ApiServer.start({ nodes: 3 });
  release = new Release(api);
  for (const name of ['home', 'homes', 'lab']) api.restrictedNamespace(name);
  api.volumes(1);
  api.kubectl(['create', ...crds.flatMap((file) => ['-f', file])]);
  await until('the resources are served', () => establishedCrds() === crds.length);
}, helmBuildBoundMs + foreignCrdsBoundMs);

afterAll(() => api?.close());

function establishedCrds(): number {
  const { items } = JSON.parse(api.kubectl(['get', 'crd', '-o', 'json']).stdout) as { items: Manifest[] };
  return items.filter((crd) => holds(crd, 'Established')).length;
}

const uidOf = (kind: string, name: string) => api.object(kind, name, 'home').metadata.uid;
const secretsOf = ({ texts }: Objects) => Object.entries(texts).filter(([name]) => name.startsWith('Secret/'));

/** As many as the values ask for, or as the autoscaler makes. */
function orchestratorsOf(file: string): number {
  const rendered = render({ file });
  const [autoscaler] = rendered.all('HorizontalPodAutoscaler');
  return Number(
    at(autoscaler ?? rendered.one('Deployment', 'orchestrator'), autoscaler ? 'spec.minReplicas' : 'spec.replicas'),
  );
}

// Those that bring no AgentKey resource of their own come after one that leaves its own.
describe.each(matrix)('a release of %s', (file) => {
  let orchestrators: number;
  let installed: Objects;

  beforeAll(() => {
    orchestrators = orchestratorsOf(file);
  });

  test(
    'is installed without a warning, and is ready',
    async () => {
      expect(release.install({ file }).stderr).toBe('');
      installed = await release.settled(orchestrators);
      expect(Object.keys(installed.texts).length).toBeGreaterThan(12);
      expect(uidsOf(installed, 'operator')).toHaveLength(2);
    },
    boundMs,
  );

  test('is what its values say, taken strictly and without a warning', () => {
    const rendered = api.helm(['template', 'demo', chartDir, ...inHome, ...valueFlags({ file })]).stdout;
    const flags = ['--server-side', '--dry-run=server', '--validate=strict', '--force-conflicts'];
    const { stdout, stderr } = api.kubectl(['apply', ...flags, '-f', '-'], rendered);
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toHaveLength(parseManifests(rendered).length);
  });

  test(
    'is upgraded to the same: no object changes, no pod starts again',
    () => {
      expect(release.upgrade({ file }).stderr).toBe('');
      expect(release.objects()).toEqual(installed);
    },
    boundMs,
  );

  test(
    'is upgraded to one other value: one object changes, and no pod',
    () => {
      release.upgrade({ file, set: { 'service.http.annotations': { 'example.com/a': 'b' } } });
      const after = release.objects();
      const changed = Object.keys(after.texts).filter((name) => after.texts[name] !== installed.texts[name]);
      expect(changed).toEqual(['Service/demo-resproxy-http']);
      expect(after.pods).toEqual(installed.pods);
    },
    boundMs,
  );

  test(
    'replaces the pods of the part whose setting changes, goes back, and keeps its secrets',
    async () => {
      expect(release.upgrade({ file, set: { 'orchestrator.logLevel': 'debug' } }).stderr).toBe('');
      const rolled = await release.settled(orchestrators);
      expect(uidsOf(rolled, 'operator')).toEqual(uidsOf(installed, 'operator'));
      const old = uidsOf(installed, 'orchestrator');
      expect(uidsOf(rolled, 'orchestrator').filter((uid) => old.includes(uid))).toEqual([]);

      expect(release.rollback(1).stderr).toBe('');
      const back = await release.settled(orchestrators);
      expect(uidsOf(back, 'operator')).toEqual(uidsOf(installed, 'operator'));
      expect(back.texts['Service/demo-resproxy-http']).toBe(installed.texts['Service/demo-resproxy-http']);
      const level = '-o=jsonpath={..env[?(@.name=="LOG_LEVEL")].value}';
      expect(api.kubectl(['get', 'deployment', 'demo-resproxy-orchestrator', ...inHome, level]).stdout).toBe('info');
      expect(secretsOf(back)).toEqual(secretsOf(installed));
    },
    boundMs,
  );

  test('tells of an AgentKey that is taken as it stands', () => {
    const [, agentKey = ''] = /<<EOF\n(.*?)\nEOF/s.exec(api.helm(['get', 'notes', 'demo', ...inHome]).stdout) ?? [];
    const { stdout, stderr } = api.kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], agentKey);
    expect(stdout).toContain('agentkey.resproxy.dev/berlin-1 created');
    expect(stderr).toBe('');
  });

  test(
    'goes, and leaves the AgentKey resource, the keys and the jobs',
    () => {
      api.kubectl(['apply', ...inHome, '-f', `${projectDir}k8s/samples/agentkey.yaml`]);
      release.uninstall();
      expect(api.kubectl(['get', 'akey', ...inHome, '-o', 'name']).stdout).toBe('agentkey.resproxy.dev/home-berlin\n');
      const left = Object.keys(release.objects().texts).filter((name) => !name.startsWith('Pod/'));
      expect(left).toEqual(['PersistentVolumeClaim/demo-resproxy-data']);
    },
    boundMs,
  );
});

describe('a release that comes back under its name', () => {
  test(
    'takes over what was left: the keys and the jobs',
    () => {
      const uids = () => [uidOf('akey', 'home-berlin'), uidOf('pvc', 'demo-resproxy-data')];
      const before = uids();
      expect(release.install({ file: 'alone.yaml' }).stderr).toBe('');
      expect(uids()).toEqual(before);
    },
    boundMs,
  );
});
