// What holds for every installation.
import { beforeAll, describe, expect, test } from '@jest/globals';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { matrix, podOf, render } from './chart.ts';

beforeAll(() => {
  helm();
}, helmBuildBoundMs);

describe('every installation', () => {
  test.each(matrix)('%s: names, labels and namespaces', (file) => {
    const { manifests } = render({ file });
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    for (const { kind, metadata } of manifests) {
      if (kind === 'CustomResourceDefinition') continue;
      expect(metadata.labels).toMatchObject({
        'app.kubernetes.io/instance': 'demo',
        'app.kubernetes.io/name': 'resproxy',
      });
      expect(`${kind} ${metadata.namespace}`).toMatch(kind.startsWith('Cluster') ? /undefined$/ : /(home|homes|lab)$/);
    }
  });

  test.each(matrix)('%s: pods are restricted', (file) => {
    const rendered = render({ file });
    const pods = [...rendered.all('Deployment').map(podOf), ...rendered.all('Pod').map(({ spec }) => spec)];
    for (const spec of pods) {
      expect(spec).toMatchObject({
        enableServiceLinks: false,
        securityContext: { runAsNonRoot: true, runAsUser: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      });
      const { containers, initContainers = [] } = spec as { containers: unknown[]; initContainers?: unknown[] };
      for (const container of [...containers, ...initContainers]) {
        expect(container).toMatchObject({
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          },
          resources: { requests: { memory: expect.any(String) }, limits: { memory: expect.any(String) } },
        });
      }
    }
  });

  test.each(matrix)('%s: each program has its ServiceAccount, and pods that need no API have no token', (file) => {
    const rendered = render({ file });
    for (const part of ['orchestrator', 'operator']) {
      expect(podOf(rendered.one('Deployment', part))).toMatchObject({
        serviceAccountName: `demo-resproxy-${part}`,
        automountServiceAccountToken: true,
      });
      expect(rendered.one('ServiceAccount', part).automountServiceAccountToken).toBe(false);
    }
    for (const { spec } of rendered.all('Pod')) expect(spec).toMatchObject({ automountServiceAccountToken: false });
  });
});
