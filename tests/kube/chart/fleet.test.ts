// One orchestrator without Redis, several with it, and how they leave.
import { X509Certificate } from 'node:crypto';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { at, envOf, fileOf, podOf, type Rendered, render, secretText } from './chart.ts';

beforeAll(() => {
  helm();
}, helmBuildBoundMs);

describe('orchestrators without Redis', () => {
  const deployment = () => fileOf('alone').one('Deployment', 'orchestrator');

  test('are one pod that is replaced by leaving first', () => {
    expect(deployment().spec).toMatchObject({ replicas: 1, strategy: { type: 'Recreate' } });
    expect(fileOf('alone').all('PodDisruptionBudget')).toEqual([]);
    expect(fileOf('alone').all('HorizontalPodAutoscaler')).toEqual([]);
    expect(podOf(deployment())).not.toHaveProperty('topologySpreadConstraints');
  });

  test('have no peer port and no peer credential', () => {
    expect(JSON.stringify(deployment())).not.toMatch(/peer/i);
    expect(fileOf('alone').names()).not.toContain('Secret/demo-resproxy-peer');
    expect(Object.keys(envOf(deployment())).filter((name) => /REDIS|PEER|POD/.test(name))).toEqual([]);
  });

  test('keep jobs on a volume that outlives the release', () => {
    expect(fileOf('alone').one('PersistentVolumeClaim').metadata.annotations).toEqual({
      'helm.sh/resource-policy': 'keep',
    });
    expect(at(podOf(deployment()), 'containers.0.volumeMounts')).toContainEqual({ name: 'data', mountPath: '/data' });
    expect(at(podOf(deployment()), 'volumes')).toContainEqual({
      name: 'data',
      persistentVolumeClaim: { claimName: 'demo-resproxy-data' },
    });
  });

  test('use a claim that is there', () => {
    const rendered = render({ set: { 'persistence.existingClaim': 'mine' } });
    expect(rendered.all('PersistentVolumeClaim')).toEqual([]);
    expect(JSON.stringify(rendered.one('Deployment', 'orchestrator'))).toContain('{"claimName":"mine"}');
  });

  test('forget jobs only when told so', () => {
    expect(fileOf('cluster-wide').all('PersistentVolumeClaim')).toEqual([]);
    expect(at(podOf(fileOf('cluster-wide').one('Deployment', 'orchestrator')), 'volumes')).toContainEqual({
      name: 'data',
      emptyDir: { sizeLimit: '1Gi' },
    });
  });
});

describe('orchestrators with Redis', () => {
  test('are three, or as many as the values say, or as the load asks for', () => {
    const replicas = (rendered: Rendered) => at(rendered.one('Deployment', 'orchestrator'), 'spec.replicas');
    expect(replicas(render({ set: { 'redis.url': 'redis://redis' } }))).toBe(3);
    expect(replicas(fileOf('everything'))).toBe(5);
    expect(replicas(fileOf('fleet'))).toBeUndefined();
    expect(fileOf('fleet').one('HorizontalPodAutoscaler').spec).toMatchObject({
      scaleTargetRef: { kind: 'Deployment', name: 'demo-resproxy-orchestrator' },
      minReplicas: 3,
      maxReplicas: 10,
    });
  });

  test('are evicted one by one, spread, and rolled without losing room', () => {
    const rendered = fileOf('fleet');
    const deployment = rendered.one('Deployment', 'orchestrator');
    expect(rendered.one('PodDisruptionBudget').spec).toMatchObject({
      maxUnavailable: 1,
      selector: at(deployment, 'spec.selector') as Record<string, unknown>,
    });
    expect(at(deployment, 'spec.strategy')).toEqual({
      type: 'RollingUpdate',
      rollingUpdate: { maxUnavailable: 0, maxSurge: 1 },
    });
    const spread = at(podOf(deployment), 'topologySpreadConstraints') as { topologyKey: string }[];
    expect(spread.map(({ topologyKey }) => topologyKey)).toEqual([
      'topology.kubernetes.io/zone',
      'kubernetes.io/hostname',
    ]);
    expect(rendered.all('PersistentVolumeClaim')).toEqual([]);
  });

  test('take its URL from a Secret, or in plain when it is no secret', () => {
    expect(envOf(fileOf('fleet').one('Deployment', 'orchestrator')).REDIS_URL).toEqual({
      secretKeyRef: { name: 'redis', key: 'url' },
    });
    expect(envOf(fileOf('everything').one('Deployment', 'orchestrator')).REDIS_URL).toBe(
      'rediss+sentinel://s1.example.com,s2.example.com/main',
    );
  });

  test('know each other by a certificate that one authority signed for resproxy-peer', () => {
    const secret = fileOf('fleet').one('Secret', 'peer');
    const authority = new X509Certificate(secretText(secret, 'ca.crt'));
    const certificate = new X509Certificate(secretText(secret, 'tls.crt'));
    expect(certificate.verify(authority.publicKey)).toBe(true);
    expect(certificate.subjectAltName).toBe('DNS:resproxy-peer');
    // Server and client: pods dial each other.
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });

  test('or by one that cert-manager made', () => {
    expect(fileOf('everything').names()).not.toContain('Secret/demo-resproxy-peer');
    expect(fileOf('everything').one('Certificate').spec).toMatchObject({
      secretName: 'demo-resproxy-peer',
      dnsNames: ['resproxy-peer'],
      issuerRef: { kind: 'Issuer', name: 'inside' },
    });
  });

  test('or by one that is there', () => {
    const set = { 'redis.url': 'redis://redis', 'peer.mode': 'existingSecret', 'peer.existingSecret': 'mine' };
    const rendered = render({ set });
    expect(rendered.names().filter((name) => /^(Secret|Certificate).*peer/.test(name))).toEqual([]);
    expect(at(podOf(rendered.one('Deployment', 'orchestrator')), 'volumes')).toContainEqual({
      name: 'peer',
      secret: { secretName: 'mine', defaultMode: 0o440 },
    });
  });
});

describe('stopping', () => {
  test.each([
    [{}, 70],
    [{ lameDuckMs: 0, shutdownGraceMs: 500, drainSpreadMs: 0 }, 11],
    [{ lameDuckMs: 30_000, shutdownGraceMs: 600_000, drainSpreadMs: 60_000 }, 700],
  ])('%j takes at most %d s', (times, seconds) => {
    const set = Object.fromEntries(Object.entries(times).map(([name, value]) => [`orchestrator.${name}`, value]));
    const deployment = render({ set }).one('Deployment', 'orchestrator');
    expect(at(podOf(deployment), 'terminationGracePeriodSeconds')).toBe(seconds);
  });

  test('is seen by the readiness probe within the lame duck', () => {
    const deployment = fileOf('alone').one('Deployment', 'orchestrator');
    const { periodSeconds, failureThreshold } = at(podOf(deployment), 'containers.0.readinessProbe') as Record<
      string,
      number
    >;
    expect(Number(periodSeconds) * Number(failureThreshold) * 1_000).toBeLessThan(
      Number(envOf(deployment).RESPROXY_LAME_DUCK_MS),
    );
  });
});
