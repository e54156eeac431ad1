// Without Helm, as docs/KUBERNETES-INSTALL.md tells it: the raw manifests and the kustomize of k8s/dev for kind, in the
// namespace that they bring, taken strictly and without a warning, until their pods are ready on a node that kwok plays.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parseManifests } from '../chart/chart.ts';
import { ApiServer } from './api-server.ts';

const buildBoundMs = 120_000;
const inNamespace = ['-n', 'resproxy'];
let api: ApiServer;

beforeAll(async () => {
  api = await ApiServer.start({ nodes: 1 });
  api.volumes(1);
  expect(apply('-f', 'k8s/crd')).toBe('');
  expect(apply('-f', 'k8s/manifests/namespace.yaml')).toBe('');
}, buildBoundMs);

afterAll(() => api?.close());

/** What the API server warned of. */
function apply(...args: readonly string[]): string {
  return api.kubectl(['apply', '--server-side', '--validate=strict', ...args]).stderr;
}

describe('without Helm', () => {
  test('the namespace enforces the strictest Pod Security', () => {
    expect(api.object('namespace', 'resproxy', 'resproxy').metadata.labels).toMatchObject({
      'pod-security.kubernetes.io/enforce': 'restricted',
    });
  });

  test.each(['manifests', 'dev', 'dev/agent'])('k8s/%s builds, and is taken whole', (folder) => {
    const built = api.kubectl(['kustomize', `k8s/${folder}`]);
    expect(built.stderr).toBe('');
    const { stdout, stderr } = api.kubectl(
      ['apply', '--server-side', '--validate=strict', '--dry-run=server', '-f', '-'],
      built.stdout,
    );
    expect(stderr).toBe('');
    expect(stdout.trim().split('\n')).toHaveLength(parseManifests(built.stdout).length);
  });

  test('k8s/dev takes the image that was built here, and k8s/dev/agent as well', () => {
    for (const folder of ['dev', 'dev/agent']) {
      const images = api.kubectl(['kustomize', `k8s/${folder}`]).stdout.match(/(?<=image: ).*/g) ?? [];
      expect(new Set(images)).toEqual(new Set(['resproxy:dev']));
    }
  });

  test('k8s/dev and its agent are ready in the end', () => {
    for (const [name, key] of [
      ['resproxy-callers', 'callers.json'],
      ['resproxy-report', 'token'],
    ])
      api.kubectl(['create', 'secret', 'generic', String(name), ...inNamespace, `--from-literal=${key}=some`]);
    expect(apply('-k', 'k8s/dev')).toBe('');
    expect(apply('-k', 'k8s/dev/agent')).toBe('');
    const { stdout } = api.kubectl(['rollout', 'status', 'deployment', ...inNamespace, '--timeout=50s']);
    expect(stdout.match(/successfully rolled out/g)).toHaveLength(3);
  });
});
