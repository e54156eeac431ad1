import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { pino } from 'pino';
import { keyIdOf } from '../../agentkey/key-id.ts';
import { digestOf } from '../../kit/digest.ts';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { FakeKube } from '../../kube/fake-kube.ts';
import { KubernetesKeys, policiesOf } from './kubernetes-keys.ts';

function agentKey(name: string, spec: object = {}, extra: object = {}) {
  const uid = `uid-${name}`;
  const metadata = { name, namespace: 'homes', uid, resourceVersion: '1' };
  return { metadata, spec, status: { keys: [{ id: keyIdOf(uid, 1), digest: digestOf(name) }], ...extra } };
}

describe('an AgentKey as policies', () => {
  const only = (spec: object, tenant?: string, extra?: object) => {
    const policies = policiesOf(agentKey('berlin', spec, extra), tenant);
    return 'fault' in policies ? policies : policies[0];
  };

  test('says what its spec says, under the name of namespace and object', () => {
    const spec = { labels: { country: 'DE' }, tenants: ['acme'], maxAgents: 3, limits: { maxConcurrent: 2 } };
    expect(only(spec)).toEqual({
      id: keyIdOf('uid-berlin', 1),
      name: 'homes.berlin',
      digest: digestOf('berlin'),
      labels: new Map([['country', 'DE']]),
      tenants: new Set(['acme']),
      maxAgents: 3,
      limits: { maxConcurrent: 2 },
      notAfter: undefined,
      suspended: false,
    });
  });

  test.each([
    ['any tenant', {}, undefined, []],
    ['the tenant of its namespace, though it names none', {}, 'acme', ['acme']],
    ['the tenant of its namespace alone, though it names more', { tenants: ['other', 'acme'] }, 'acme', ['acme']],
  ])('serves %s', (_what, spec, tenant, tenants) => {
    expect(only(spec, tenant)).toMatchObject({ tenants: new Set(tenants) });
  });

  test('that names only tenants of others serves nobody', () => {
    expect(only({ tenants: ['other'] }, 'acme')).toMatchObject({ fault: expect.stringContaining('acme') });
  });

  test('ends at the earlier of its expiry and the end of an overlap', () => {
    const keys = [{ id: keyIdOf('uid-berlin', 1), digest: digestOf('x'), notAfter: '2030-01-02T00:00:00Z' }];
    expect(only({ expiresAt: '2030-01-01T00:00:00Z' }, undefined, { keys })).toMatchObject({
      notAfter: Date.UTC(2030, 0, 1),
    });
    expect(only({}, undefined, { keys })).toMatchObject({ notAfter: Date.UTC(2030, 0, 2) });
  });

  test('that lists a key made for another object is refused as a whole', () => {
    const keys = [{ id: keyIdOf('uid-other', 1), digest: digestOf('x') }];
    expect(only({}, undefined, { keys })).toMatchObject({ fault: expect.stringContaining('was not made for') });
  });
});

describe('KubernetesKeys', () => {
  let kube: FakeKube;
  let clock: ManualClock;
  let source: KubernetesKeys;
  let lines: { msg: string; keyId?: string }[];
  let changes: number;

  beforeEach(() => {
    kube = new FakeKube();
    clock = new ManualClock();
    lines = [];
    changes = 0;
    source = new KubernetesKeys({
      namespaces: [{ namespace: 'homes', tenant: undefined }],
      connect: async () => ({ client: kube, close: async () => {} }),
      clock,
      random: () => 0.5,
      log: pino({}, { write: (line: string) => lines.push(JSON.parse(line)) }),
    });
    source.onChange(() => changes++);
  });

  afterEach(() => source.stop());

  const ids = () => [...source.keys.values()].map(({ name }) => name);

  test('starts with what is there, and follows it', async () => {
    kube.put(agentKey('berlin'));
    await source.start();
    expect(ids()).toEqual(['homes.berlin']);
    kube.put(agentKey('hamburg'));
    await settle();
    expect(ids()).toEqual(['homes.berlin', 'homes.hamburg']);
    kube.put(agentKey('berlin', { suspend: true }));
    await settle();
    expect(source.keys.get(keyIdOf('uid-berlin', 1))?.suspended).toBe(true);
    kube.remove('homes/berlin');
    await settle();
    expect(ids()).toEqual(['homes.hamburg']);
    expect(changes).toBe(4);
  });

  test('takes an object that is being deleted for gone', async () => {
    await source.start();
    const { metadata, ...rest } = agentKey('berlin');
    kube.put({ ...rest, metadata: { ...metadata, deletionTimestamp: '2030-01-01T00:00:00Z' } });
    await settle();
    expect(ids()).toEqual([]);
  });

  test('does not start before the first list, and starts when it comes', async () => {
    kube.down = true;
    kube.put(agentKey('berlin'));
    let started = false;
    const starting = source.start().then(() => {
      started = true;
    });
    await clock.advance(60_000);
    expect(started).toBe(false);
    kube.down = false;
    await clock.advance(60_000);
    await starting;
    expect(ids()).toEqual(['homes.berlin']);
  });

  test('keeps its keys while the API server is away, and tells for how long that has been', async () => {
    kube.put(agentKey('berlin'));
    await source.start();
    expect(source.stalenessSeconds).toBe(0);
    kube.down = true;
    kube.breakWatches();
    await settle();
    await clock.advance(120_000);
    expect(ids()).toEqual(['homes.berlin']);
    expect(source.stalenessSeconds).toBe(120);
  });

  test('refuses both of two objects that claim one id, and says so once', async () => {
    await source.start();
    const twin = agentKey('berlin');
    kube.put(agentKey('berlin'));
    kube.put({ ...twin, metadata: { ...twin.metadata, name: 'twin' } });
    await settle();
    kube.put(agentKey('hamburg'));
    await settle();
    expect(ids()).toEqual(['homes.hamburg']);
    expect(lines.map(({ keyId }) => keyId)).toEqual([keyIdOf('uid-berlin', 1)]);
  });

  test('leaves no timer behind', async () => {
    await source.start();
    source.stop();
    await settle();
    expect(clock.pending).toBe(0);
  });
});
