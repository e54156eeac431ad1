// The ways in: Services, certificates, Ingresses and routes.
import { beforeAll, describe, expect, test } from '@jest/globals';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { at, envOf, fileOf, matrix, podOf, type Rendered, render } from './chart.ts';

beforeAll(() => {
  helm();
}, helmBuildBoundMs);

describe('doors', () => {
  const plain = (rendered: Rendered) => envOf(rendered.one('Deployment', 'orchestrator')).RESPROXY_PLAINTEXT;
  const appProtocol = (rendered: Rendered, door: string) =>
    at(rendered.one('Service', door), 'spec.ports.0.appProtocol');

  test('without certificates are plain, which their Services say', () => {
    expect(plain(fileOf('fleet'))).toBe('agent,http,grpc');
    expect(appProtocol(fileOf('fleet'), 'http')).toBe('http');
    expect(appProtocol(fileOf('fleet'), 'grpc')).toBe('grpc');
    expect(appProtocol(fileOf('fleet'), 'agent')).toBe('kubernetes.io/ws');
  });

  test('with certificates are not', () => {
    const rendered = fileOf('everything');
    expect(plain(rendered)).toBeUndefined();
    expect(appProtocol(rendered, 'http')).toBe('https');
    expect(appProtocol(rendered, 'agent')).toBe('kubernetes.io/wss');
    expect(envOf(rendered.one('Deployment', 'orchestrator'))).toMatchObject({
      RESPROXY_TLS_CERT: '/etc/resproxy/tls/tls.crt',
      RESPROXY_AGENT_TLS_KEY: '/etc/resproxy/agent-tls/tls.key',
    });
  });

  test('may be plain for callers alone', () => {
    const set = { 'tls.agentExistingSecret': 'x', 'agentKeys.url': 'wss://a.example/agent' };
    expect(plain(render({ set }))).toBe('http,grpc');
  });

  test.each(matrix)('of %s: Services, probes and policies name ports that the pods have', (file) => {
    const rendered = render({ file });
    for (const part of ['orchestrator', 'operator']) {
      const containers = at(podOf(rendered.one('Deployment', part)), 'containers') as { ports: { name: string }[] }[];
      const ports = containers.flatMap((container) => container.ports.map(({ name }) => name));
      const ofPart = rendered.manifests.filter(
        ({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === part,
      );
      const named = ofPart.flatMap(({ kind, spec }) => {
        if (kind === 'Service')
          return (at(spec, 'ports') as { targetPort: string }[]).map(({ targetPort }) => targetPort);
        if (kind !== 'NetworkPolicy') return [];
        return (at(spec, 'ingress') as { ports: { port: string }[] }[]).flatMap((rule) =>
          rule.ports.map(({ port }) => port),
        );
      });
      expect(named.length).toBeGreaterThan(0);
      expect(named.filter((name) => !ports.includes(name))).toEqual([]);
      for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
        expect(at(containers[0], `${probe}.httpGet.port`)).toBe('admin');
    }
  });

  test('have an Ingress each', () => {
    const rules = fileOf('fleet')
      .all('Ingress')
      .map(({ spec }) => {
        const { host, http } = at(spec, 'rules.0') as { host: string; http: unknown };
        return [host, at(http, 'paths.0.path'), at(http, 'paths.0.backend.service.name')];
      });
    expect(rules).toEqual([
      ['agents.example.com', '/agent', 'demo-resproxy-agent'],
      ['grpc.example.com', '/', 'demo-resproxy-grpc'],
      ['jobs.example.com', '/', 'demo-resproxy-http'],
    ]);
  });

  test('have routes of the Gateway API, without deadlines of their own', () => {
    const rendered = fileOf('everything');
    expect(at(rendered.one('HTTPRoute', 'http'), 'spec.rules.0.timeouts')).toEqual({ request: '0s' });
    expect(at(rendered.one('GRPCRoute', 'grpc'), 'spec.rules.0.backendRefs')).toEqual([
      { name: 'demo-resproxy-grpc', port: 9090 },
    ]);
    expect(at(rendered.one('TLSRoute', 'agent'), 'spec.rules.0.backendRefs')).toEqual([
      { name: 'demo-resproxy-agent', port: 443 },
    ]);
    expect(at(fileOf('cluster-wide').one('HTTPRoute', 'agent'), 'spec.rules.0.matches.0.path')).toEqual({
      type: 'Exact',
      value: '/agent',
    });
  });
});
