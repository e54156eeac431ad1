// The life of an AgentKey, row by row, against an API server in memory.
import { beforeEach, describe, expect, test } from '@jest/globals';
import { keyIdOf } from '../../agentkey/key-id.ts';
import { KubeError } from '../../kube/kube-error.ts';
import { orchWs, World } from './world-fixture.ts';

const minute = 60_000;
const hour = 60 * minute;
let world: World;

beforeEach(async () => {
  world = new World();
  await world.run();
  world.notes.length = 0;
  world.writes = 0;
});

const reasons = () => world.notes.map(({ reason }) => reason);
const ids = () => world.status.keys.map(({ id }) => Number(id.split('-')[1]));
const foreign = () => ({
  metadata: { name: 'berlin', namespace: 'homes', uid: 'other', resourceVersion: '77' },
  data: { AGENT_KEY: 'bWluZQ==' },
});

describe('a new AgentKey', () => {
  test('gets a key: its digest in the status, the key in a Secret that can be handed over', () => {
    const id = keyIdOf('uid-1', 1);
    expect(world.status).toMatchObject({ activeKeyID: id, secretName: 'berlin', observedGeneration: 1 });
    expect(world.status.keys).toEqual([{ id, digest: world.heldDigest }]);
    expect([world.text('AGENT_KEY_ID'), world.text('ORCH_WS')]).toEqual([id, orchWs]);
    expect([world.condition('Ready'), world.condition('Active')]).toEqual(['True SecretWritten', 'True Active']);
    expect(world.condition('Reconciling')).toBe('absent');
  });

  test('is left alone from then on', async () => {
    expect(await world.run()).toBeUndefined();
    expect(world.writes).toBe(0);
    expect(world.notes).toEqual([]);
  });

  test('lists the digest before anybody can hold the key', async () => {
    world = new World();
    world.crash = { writesLeft: 1, after: false };
    await expect(world.run()).rejects.toThrow();
    expect(world.status.keys).toHaveLength(1);
    expect(world.secretObject).toBeUndefined();
    expect(world.condition('Ready')).toBe('False Issuing');
    expect(world.condition('Reconciling')).toBe('True Issuing');
  });

  test('is written as its template says, owned by the AgentKey', () => {
    expect(world.heldSecret.metadata).toMatchObject({
      labels: { 'app.kubernetes.io/managed-by': 'resproxy-operator' },
      annotations: { 'resproxy.dev/agentkey-uid': 'uid-1' },
      ownerReferences: [{ kind: 'AgentKey', name: 'berlin', uid: 'uid-1', controller: true }],
    });
  });
});

describe('rotation', () => {
  test('by id: the old key works for the overlap, and then not', async () => {
    world.changeSpec({ rotation: { id: 'a', overlap: '10m' } });
    expect(await world.run()).toBeGreaterThanOrEqual(10 * minute);
    expect(ids()).toEqual([2, 1]);
    expect(world.status.keys[1]?.notAfter).toBe('2030-01-01T00:10:00Z');
    expect(world.status.keys[0]?.digest).toBe(world.heldDigest);
    expect(reasons()).toEqual(['KeyRotated']);
    world.nowMs += 10 * minute + 1000;
    expect(await world.run()).toBeUndefined();
    expect(ids()).toEqual([2]);
    expect(world.status.observedRotationID).toBe('a');
  });

  test('by interval: when it is due, and it asks to be woken for it', async () => {
    world.changeSpec({ rotation: { every: '24h', overlap: '10m' } });
    expect(await world.run()).toBe(24 * hour);
    expect(world.status.nextRotationTime).toBe('2030-01-02T00:00:00Z');
    world.nowMs += 24 * hour;
    await world.run();
    expect(ids()).toEqual([2, 1]);
    expect(world.status.nextRotationTime).toBe('2030-01-03T00:00:00Z');
  });

  test('without overlap: the old key goes at once', async () => {
    world.changeSpec({ rotation: { id: 'a', overlap: '0s' } });
    await world.run();
    expect(ids()).toEqual([2]);
  });

  test('again and again: never more than four keys', async () => {
    for (const id of ['a', 'b', 'c', 'd', 'e']) {
      world.changeSpec({ rotation: { id, overlap: '1h' } });
      await world.run();
    }
    expect(ids()).toEqual([6, 5, 4, 3]);
  });

  test('waits while the key is suspended, and comes when it is resumed', async () => {
    world.changeSpec({ suspend: true, rotation: { id: 'a', overlap: '10m' } });
    await world.run();
    expect(ids()).toEqual([1]);
    world.changeSpec({ suspend: false });
    await world.run();
    expect(ids()).toEqual([2, 1]);
  });

  test('with an id that is dropped again asks for nothing', async () => {
    world.changeSpec({ rotation: { id: 'a', overlap: '10m' } });
    await world.run();
    world.changeSpec({ rotation: { overlap: '10m' } });
    await world.run();
    expect(ids()).toEqual([2, 1]);
  });

  test('that died before the Secret was written: a third key, and the first one keeps its overlap', async () => {
    world.changeSpec({ rotation: { id: 'a', overlap: '10m' } });
    world.crash = { writesLeft: 1, after: false };
    await expect(world.run()).rejects.toThrow();
    expect(ids()).toEqual([2, 1]);
    world.crash = undefined;
    await world.run();
    expect(ids()).toEqual([3, 1]);
    expect(world.status.keys[1]?.notAfter).toBe('2030-01-01T00:10:00Z');
    expect(world.status.keys[0]?.digest).toBe(world.heldDigest);
  });

  test('with a duration that cannot be read is told, and the key keeps working', async () => {
    world.changeSpec({ rotation: { every: 'sometimes', overlap: '10m' } });
    await world.run();
    expect([world.condition('Ready'), world.condition('Stalled')]).toEqual(['False InvalidSpec', 'True InvalidSpec']);
    expect(world.condition('Active')).toBe('True Active');
  });
});

describe('suspended and expired', () => {
  test('a suspended key is ready and not active, and keeps its digest', async () => {
    world.changeSpec({ suspend: true });
    await world.run();
    expect([world.condition('Ready'), world.condition('Active')]).toEqual(['True SecretWritten', 'False Suspended']);
    expect(ids()).toEqual([1]);
    world.changeSpec({ suspend: false });
    await world.run();
    expect(world.condition('Active')).toBe('True Active');
    expect(reasons()).toEqual(['Suspended', 'Resumed']);
  });

  test('a key expires when its time comes, and asks to be woken for it', async () => {
    world.changeSpec({ expiresAt: '2030-01-01T01:00:00Z' });
    expect(await world.run()).toBe(hour);
    world.nowMs += hour;
    expect(await world.run()).toBeUndefined();
    expect([world.condition('Ready'), world.condition('Active')]).toEqual(['True SecretWritten', 'False Expired']);
    expect(reasons()).toEqual(['Expired']);
  });
});

describe('the Secret', () => {
  test('deleted: the old key is shut out at once, and a new one made', async () => {
    world.secretObject = undefined;
    await world.run();
    expect(ids()).toEqual([2]);
    expect(world.status.keys[0]?.digest).toBe(world.heldDigest);
    expect(reasons()).toEqual(['SecretDeleted']);
  });

  test.each([
    ['another key', (data: Record<string, string>) => ({ ...data, AGENT_KEY: 'b3RoZXI=' })],
    ['no key', ({ AGENT_KEY: _gone, ...data }: Record<string, string>) => data],
    ['nothing', () => ({})],
  ])('altered to hold %s: the old key is shut out at once', async (_what, alter) => {
    world.changeSecret((secret) => ({ ...secret, data: alter({ ...secret.data }) }));
    await world.run();
    expect(ids()).toEqual([2]);
    expect(world.status.keys[0]?.digest).toBe(world.heldDigest);
    expect(reasons()).toEqual(['SecretTampered']);
  });

  test('put back to the key of before in its overlap is altered too', async () => {
    const before = world.heldSecret.data ?? {};
    world.changeSpec({ rotation: { id: 'a', overlap: '10m' } });
    await world.run();
    world.changeSecret((secret) => ({ ...secret, data: before }));
    await world.run();
    expect(ids()).toEqual([3]);
  });

  test('with another address, label or owner is put right without a new key', async () => {
    const digest = world.heldDigest;
    world.changeSpec({ secretTemplate: { labels: { team: 'ads' }, annotations: {} } });
    world.changeSecret(({ metadata: { ownerReferences: _none, ...metadata }, ...secret }) => ({
      ...secret,
      metadata: { ...metadata, labels: { mine: 'yes' } },
      data: { ...secret.data, ORCH_WS: 'eA==', EXTRA: 'eA==' },
    }));
    await world.run();
    expect(world.heldDigest).toBe(digest);
    expect(world.text('ORCH_WS')).toBe(orchWs);
    expect(world.heldSecret.data).toHaveProperty('EXTRA');
    expect(world.heldSecret.metadata.labels).toMatchObject({ team: 'ads', mine: 'yes' });
    expect(world.heldSecret.metadata.ownerReferences).toHaveLength(1);
    expect(reasons()).toEqual([]);
  });

  test('that is to be retained has no owner, and is no conflict', async () => {
    world.changeSpec({ deletionPolicy: 'Retain' });
    await world.run();
    expect(world.heldSecret.metadata.ownerReferences).toEqual([]);
    await world.run();
    expect(world.condition('Ready')).toBe('True SecretWritten');
    expect(ids()).toEqual([1]);
  });

  test('of somebody else is not touched, and no key of ours opens anything', async () => {
    const theirs = foreign();
    world.secretObject = theirs;
    expect(await world.run()).toBe(minute);
    await world.run();
    expect(world.secretObject).toBe(theirs);
    expect(world.status.keys).toEqual([]);
    expect([world.condition('Ready'), world.condition('Stalled')]).toEqual([
      'False SecretConflict',
      'True SecretConflict',
    ]);
    expect(world.condition('Active')).toBe('False NoKey');
    expect(reasons()).toEqual(['SecretConflict']);
  });

  test('of an AgentKey of this name that is gone is somebody else’s', async () => {
    world = new World();
    await world.run();
    world.changeSecret((secret) => ({
      ...secret,
      metadata: { ...secret.metadata, annotations: { 'resproxy.dev/agentkey-uid': 'uid-0' } },
    }));
    await world.run();
    expect(world.condition('Ready')).toBe('False SecretConflict');
  });

  test('that made way for ours gets it', async () => {
    world.secretObject = foreign();
    await world.run();
    world.secretObject = undefined;
    await world.run();
    expect(world.condition('Ready')).toBe('True SecretWritten');
    expect(world.status.keys[0]?.digest).toBe(world.heldDigest);
  });

  test('that the server refuses is told, and tried again', async () => {
    world = new World();
    world.refuseSecrets = new KubeError('forbidden', 'exceeded quota');
    await expect(world.run()).rejects.toThrow('exceeded quota');
    expect([world.condition('Ready'), world.condition('Stalled')]).toEqual([
      'False SecretRefused',
      'True SecretRefused',
    ]);
    world.refuseSecrets = undefined;
    await world.run();
    expect(world.condition('Ready')).toBe('True SecretWritten');
    expect(reasons()).toEqual(['KeyIssued']);
  });
});

test('a status that was lost: a new key, under an id that was not used', async () => {
  world.clearStatus();
  await world.run();
  expect(ids()).toEqual([2]);
  expect(world.status.keys[0]?.digest).toBe(world.heldDigest);
  expect(reasons()).toEqual(['KeyReissued']);
});

test('what is being deleted is left alone', async () => {
  world.secretObject = undefined;
  const object = world.agentKeyObject;
  if (object) {
    const metadata = { ...object.metadata, deletionTimestamp: '2030-01-01T00:00:00Z' };
    world.agentKeyObject = { ...object, metadata };
  }
  await world.run();
  expect(world.writes).toBe(0);
});

test('connected agents are written when their number changes, and only then', async () => {
  world.agents = 0;
  await world.run();
  expect(world.writes).toBe(0);
  world.agents = 2;
  await world.run();
  world.nowMs += minute;
  await world.run();
  expect(world.status.agents).toEqual({ connected: 2, lastSeenTime: '2030-01-01T00:00:00Z' });
  world.agents = undefined;
  await world.run();
  expect(world.writes).toBe(1);
  world.agents = 0;
  await world.run();
  expect(world.status.agents).toEqual({ connected: 0, lastSeenTime: '2030-01-01T00:01:00Z' });
});

test('a condition keeps its time while its status stays', async () => {
  world.nowMs += hour;
  world.changeSpec({ suspend: true });
  await world.run();
  const time = (type: string) =>
    world.status.conditions.find((condition) => condition.type === type)?.lastTransitionTime;
  expect(time('Ready')).toBe('2030-01-01T00:00:00Z');
  expect(time('Active')).toBe('2030-01-01T01:00:00Z');
});
