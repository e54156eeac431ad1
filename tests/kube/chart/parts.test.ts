// Parts that are off by default.
import { beforeAll, describe, expect, test } from '@jest/globals';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { at, fileOf } from './chart.ts';

beforeAll(() => {
  helm();
}, helmBuildBoundMs);

describe('optional parts', () => {
  test('are off by default', () => {
    const kinds = new Set(fileOf('alone').manifests.map(({ kind }) => kind));
    for (const kind of ['NetworkPolicy', 'ServiceMonitor', 'PrometheusRule', 'Ingress', 'HTTPRoute', 'Certificate'])
      expect(kinds).not.toContain(kind);
    expect(fileOf('alone').names()).not.toContain('ConfigMap/demo-resproxy-dashboard');
  });

  test('ServiceMonitors choose the admin Services', () => {
    for (const part of ['orchestrator', 'operator']) {
      const wanted = at(fileOf('everything').one('ServiceMonitor', part), 'spec.selector.matchLabels') as Record<
        string,
        string
      >;
      const chosen = fileOf('everything')
        .all('Service')
        .filter(({ metadata }) => Object.entries(wanted).every(([name, value]) => metadata.labels?.[name] === value));
      expect(chosen.map(({ metadata }) => metadata.name)).toEqual([`demo-resproxy-${part}-admin`]);
    }
  });

  test('alerts ask for this release alone', () => {
    const rules = at(fileOf('everything').one('PrometheusRule'), 'spec.groups.0.rules') as { expr: string }[];
    expect(rules.length).toBeGreaterThan(4);
    for (const { expr } of rules) {
      expect(expr).not.toContain('SELECTOR');
      for (const selector of expr.match(/\{[^}]*\}/g) ?? []) expect(selector).toContain('namespace="home"');
    }
  });

  test('the dashboard is JSON that Grafana takes', () => {
    const { data } = fileOf('everything').one('ConfigMap', 'dashboard') as unknown as { data: Record<string, string> };
    const { panels } = JSON.parse(data['resproxy.json'] ?? '') as { panels: { id: number }[] };
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  });

  test('policies let callers, agents, pods and Prometheus in, and nobody else', () => {
    const rules = at(fileOf('everything').one('NetworkPolicy', 'orchestrator'), 'spec.ingress') as {
      ports: { port: string }[];
      from?: unknown[];
    }[];
    expect(rules.map(({ ports }) => ports.map(({ port }) => port).join())).toEqual([
      'http,grpc',
      'agent',
      'peer',
      'admin',
    ]);
    expect(rules.map(({ from }) => from?.length ?? 0)).toEqual([0, 1, 1, 2]);
  });
});
