// The chart's values: each documented, no other taken, and what they turn into known to the programs.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { isMap, parseDocument } from 'yaml';
import { settings as agentSettings } from '../../../cmd/agent/config.ts';
import { settings as operatorSettings } from '../../../cmd/operator/config.ts';
import { settings as orchestratorSettings } from '../../../cmd/orchestrator/config.ts';
import { projectDir } from '../../harness/process.ts';
import { helm, helmBuildBoundMs } from '../tools/helm.ts';
import { at, chartDir, envOf, type Manifest, matrix, parseManifests, refusal, render, valueFlags } from './chart.ts';

interface Schema {
  readonly $ref?: string;
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: unknown;
}

const read = (path: string) => readFileSync(`${chartDir}${path}`, 'utf8');
const schema = JSON.parse(read('values.schema.json')) as Schema & { $defs: Record<string, Schema> };
const lines = read('values.yaml').split('\n');

beforeAll(() => {
  helm();
}, helmBuildBoundMs);

function resolve(found: Schema): Schema {
  const name = found.$ref?.slice('#/$defs/'.length);
  return name === undefined ? found : (schema.$defs[name] ?? {});
}

/** Paths of the values of one's own in values.yaml: a map that the schema leaves open is one value. */
function* valuePaths(node: unknown, found: Schema, path: readonly string[] = []): Generator<readonly string[]> {
  const { properties } = resolve(found);
  if (!properties || !isMap(node)) return;
  for (const { key } of node.items) {
    const name = String(key);
    const inner = [...path, name];
    const value = node.get(name, true);
    if (isMap(value) && resolve(properties[name] ?? {}).properties && !hasComment(key)) {
      yield* valuePaths(value, properties[name] ?? {}, inner);
    } else yield inner;
  }
}

function lineOf(key: unknown): number {
  const offset = (key as { range: readonly number[] }).range[0] ?? 0;
  return read('values.yaml').slice(0, offset).split('\n').length - 1;
}

function hasComment(key: unknown): boolean {
  return lines[lineOf(key) - 1]?.trimStart().startsWith('#') ?? false;
}

describe('values.yaml', () => {
  const document = parseDocument(read('values.yaml'));

  test('says of every value what it is', () => {
    const paths = [...valuePaths(document.contents, schema)];
    expect(paths.length).toBeGreaterThan(50);
    const mute = paths.filter((path) => {
      const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
      const pair = isMap(parent) ? parent.items.find(({ key }) => String(key) === path.at(-1)) : undefined;
      return !hasComment(pair?.key);
    });
    expect(mute).toEqual([]);
  });

  test('has every value that the schema knows', () => {
    const missing = (found: Schema, path: string[]): string[] =>
      Object.entries(resolve(found).properties ?? {}).flatMap(([name, inner]) => {
        if (name === 'global' || name === 'claims') return [];
        const value = document.getIn([...path, name], true);
        return value === undefined ? [[...path, name].join('.')] : missing(inner, [...path, name]);
      });
    expect(missing(schema, [])).toEqual([]);
  });
});

describe('the schema', () => {
  test('is closed wherever it names properties', () => {
    const open = (found: Schema, path: string): string[] => [
      ...(found.properties && found.additionalProperties !== false ? [path] : []),
      ...Object.entries(found.properties ?? {}).flatMap(([name, inner]) => open(inner, `${path}.${name}`)),
    ];
    const roots: [string, Schema][] = [['values', schema], ...Object.entries(schema.$defs)];
    expect(roots.flatMap(([name, found]) => open(found, name))).toEqual([]);
  });

  test.each([
    ['replica', 3, "additional properties 'replica' not allowed"],
    ['orchestrator.replica', 3, "additional properties 'replica' not allowed"],
    ['orchestrator.replicas', '3', 'got string, want null or integer'],
    ['orchestrator.lameDuckMs', -1, 'minimum: got -1, want 0'],
    ['orchestrator.settings', { RESPROXY_KEYS: 'file:/x' }, "invalid propertyName 'RESPROXY_KEYS'"],
    ['orchestrator.settings', { resproxy_keys: 'file:/x' }, "invalid propertyName 'resproxy_keys'"],
    ['orchestrator.settings', { RESPROXY_BUFFER_BYTES: 5 }, 'got number, want string'],
    ['redis.url', 'redis://user:secret@redis:6379', 'does not match pattern'],
    ['redis.url', 'http://redis', 'does not match pattern'],
    ['agentKeys.url', 'https://agents.example.com', 'does not match pattern'],
    ['agentKeys.namespaces', [{ namespace: 'x' }], "missing property 'name'"],
    ['peer.mode', 'none', "value must be one of 'generate', 'certManager', 'existingSecret'"],
    ['persistence.type', 'hostPath', "value must be one of 'pvc', 'emptyDir'"],
    ['image.digest', 'latest', 'does not match pattern'],
    ['service.http.port', 70_000, 'maximum: got 70,000, want 65,535'],
  ])('refuses %s = %j', (path, value, sentence) => {
    expect(refusal({ set: { [path]: value } })).toContain(sentence);
  });
});

test.each(matrix)('helm lint finds nothing in %s', (file) => {
  const args = ['lint', chartDir, '--strict', '--quiet', ...valueFlags({ file })];
  const { status, stdout } = spawnSync(helm(), args, { encoding: 'utf8', timeout: 30_000 });
  expect(stdout.trim()).toBe('');
  expect(status).toBe(0);
});

describe('values that do not go together are refused with a sentence:', () => {
  const redis = { 'redis.url': 'redis://redis:6379' };
  test.each([
    [{ 'orchestrator.replicas': 2 }, 'orchestrator.replicas is 2, and more than one orchestrator needs Redis'],
    [{ 'autoscaling.enabled': true }, 'autoscaling.enabled needs Redis'],
    [{ ...redis, 'redis.existingSecret.name': 'redis' }, 'give the URL once'],
    [{ ...redis, 'peer.mode': 'existingSecret' }, 'name the Secret in peer.existingSecret'],
    [{ ...redis, 'peer.mode': 'certManager' }, 'name the issuer in peer.certManager.issuerName'],
    [{ 'autoscaling.minReplicas': 20 }, 'autoscaling.minReplicas is more than autoscaling.maxReplicas'],
    [{ 'tls.agentExistingSecret': 'x' }, 'set agentKeys.url to the address that agents dial'],
    [{ 'ingress.http.enabled': true }, 'ingress.http.enabled needs ingress.http.host'],
    [{ 'gateway.grpc.enabled': true }, 'gateway.grpc.enabled needs gateway.grpc.hostnames'],
    [{ 'gateway.grpc.enabled': true, 'gateway.grpc.hostnames': ['a.example'] }, 'needs gateway.parentRefs'],
    [
      {
        'gateway.agent': { enabled: true, hostnames: ['a.example'], passthrough: true },
        'gateway.parentRefs': [{ name: 'g' }],
      },
      'gateway.agent.passthrough hands TLS to the pods',
    ],
    [{ 'callers.existingSecret': 'x' }, 'set test.tokenSecret, or test.enabled to false'],
    [{ 'tls.existingSecret': 'x', 'agentKeys.url': 'wss://a.example/agent' }, 'tell helm test that name in test.url'],
  ])('%j', (set, sentence) => {
    expect(refusal({ set })).toContain(sentence);
  });
});

describe('settings', () => {
  const known = { orchestrator: orchestratorSettings, operator: operatorSettings, agent: agentSettings };

  const parts = ['orchestrator', 'operator'] as const;

  test.each(matrix.flatMap((file) => parts.map((part) => ({ file, part }))))(
    'that $file gives to the $part are in its table',
    ({ file, part }) => {
      const names = Object.keys(envOf(render({ file }).one('Deployment', part)));
      expect(names.filter((name) => !Object.hasOwn(known[part], name))).toEqual([]);
    },
  );

  test.each(parts)('that the chart gives to the %s cannot be given a second time', (part) => {
    const free = schema.properties?.[part]?.properties?.settings as {
      propertyNames: { pattern: string; not: { enum: string[] } };
    };
    const { pattern, not } = free.propertyNames;
    const mayBeSet = (name: string) => new RegExp(pattern).test(name) && !not.enum.includes(name);
    const given = matrix.flatMap((file) =>
      Object.keys(envOf(render({ file, set: { [`${part}.settings`]: {} } }).one('Deployment', part))),
    );
    expect(given.filter(mayBeSet)).toEqual([]);
    expect(not.enum.filter((name) => !Object.hasOwn(known[part], name))).toEqual([]);
  });

  test('of the agent in the test pod are in its table', () => {
    const env = at(render().one('Pod'), 'spec.initContainers.0.env') as { name: string }[];
    const names = env.map(({ name }) => name).filter((name) => name !== 'POD_IP');
    expect(names.filter((name) => !Object.hasOwn(known.agent, name))).toEqual([]);
  });
});

describe('files that say the same twice', () => {
  test('the AgentKey resource is the one in k8s/crd', () => {
    expect(read('files/crds/agentkeys.resproxy.dev.yaml')).toBe(
      readFileSync(`${projectDir}k8s/crd/agentkeys.resproxy.dev.yaml`, 'utf8'),
    );
  });

  test.each(['operator', 'orchestrator'])('k8s/rbac gives the %s what the chart gives it', (part) => {
    const raw = parseManifests(readFileSync(`${projectDir}k8s/rbac/${part}.yaml`, 'utf8'));
    const rules = (manifests: readonly Manifest[]) =>
      manifests
        .filter(({ kind, metadata }) => kind === 'Role' && metadata.name.includes(part))
        .map((role) => [role.metadata.name, new Set(role.rules as unknown[])]);
    const rendered = render({ set: { fullnameOverride: 'resproxy' } }).manifests;
    expect(rules(rendered)).toEqual(rules(raw));
  });

  test('the raw manifests are what the chart renders', () => {
    const { status, stderr } = spawnSync(process.execPath, [`${projectDir}scripts/manifests.ts`, '--check'], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });

  test('alerts and panels ask for metrics that exist', () => {
    const rooms = readdirSync(`${projectDir}internal`, { recursive: true, encoding: 'utf8' });
    const source = rooms
      .filter((path) => path.endsWith('metrics.ts'))
      .map((path) => readFileSync(`${projectDir}internal/${path}`, 'utf8'));
    const exported = new Set(source.flatMap((text) => text.match(/(?<=')resproxy_[a-z_]+(?=')/g) ?? []));
    const asked = [read('files/alerts.yaml'), read('files/dashboard.json')].flatMap(
      (text) => text.match(/resproxy_[a-z_]+/g) ?? [],
    );
    const unknown = asked.filter((name) => !exported.has(name.replace(/_bucket$/, '')));
    expect(asked.length).toBeGreaterThan(20);
    expect([...new Set(unknown)]).toEqual([]);
  });
});
