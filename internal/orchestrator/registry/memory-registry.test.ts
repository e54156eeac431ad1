import { describe, expect, test } from '@jest/globals';
import { FleetView } from './fleet-view.ts';
import { MemoryRegistry } from './memory-registry.ts';
import { connection, exitOffer, registryBehaviours } from './registry-suite.ts';

function memoryRegistry() {
  const fleet = new FleetView();
  const localFleet = new FleetView();
  const registry = new MemoryRegistry({ podId: 'pod-1', fleet, localFleet });
  return { registry, directory: registry, fleet, localFleet, settled: async () => {} };
}

describe('a registry in memory', () => {
  for (const { name, check } of registryBehaviours) {
    test(name, () => check(memoryRegistry()));
  }

  test('does not index an unchanged list of exits again', () => {
    const { registry, fleet } = memoryRegistry();
    const added: string[] = [];
    const add = fleet.add.bind(fleet);
    fleet.add = (exit) => {
      added.push(exit.exitId);
      add(exit);
    };
    const held = connection({ exits: [exitOffer()] });
    registry.put(held);
    registry.put(held);
    expect(added).toEqual(['key/default/direct']);
  });

  test('knows every agent of this pod, whoever may use it', () => {
    const { registry } = memoryRegistry();
    registry.put(connection({ connectionId: 'c1', agentId: 'own/a', tenants: new Set(['acme']) }));
    registry.put(connection({ connectionId: 'c2', agentId: 'other/a', tenants: new Set(['other']) }));
    registry.put(connection({ connectionId: 'c3', agentId: 'remote/a', podId: 'pod-2' }));
    expect(Array.from(registry.own(), ({ agentId }) => agentId)).toEqual(['own/a', 'other/a']);
  });

  test('shows the times of a connection as its owner tells them', () => {
    const { registry } = memoryRegistry();
    registry.put(connection({ connectedAt: 1_000, lastHeartbeat: 2_000 }));
    expect(registry.get('acme', 'key/default')).toMatchObject({ connectedAt: 1_000, lastHeartbeat: 2_000 });
  });

  test('keeps apart what only this pod holds, with its own newest connection', () => {
    const { registry, fleet, localFleet } = memoryRegistry();
    const here = connection({ connectionId: 'c1', epoch: 1 });
    const there = connection({ connectionId: 'c2', epoch: 2, podId: 'pod-2' });
    registry.put(here);
    registry.put(there);
    expect(fleet.byId('key/default/direct')).toBe(there.exits[0]);
    expect(localFleet.byId('key/default/direct')).toBe(here.exits[0]);
    registry.remove('c2');
    expect(fleet.byId('key/default/direct')).toBe(here.exits[0]);
    registry.remove('c1');
    expect(localFleet.all.size).toBe(0);
  });

  test('schedules another connection when the epochs change, and tells no watcher', async () => {
    const { registry, fleet } = memoryRegistry();
    const first = connection({ connectionId: 'c1', epoch: 1 });
    const second = connection({ connectionId: 'c2', epoch: 2 });
    registry.put(first);
    registry.put(second);
    first.epoch = 3;
    registry.reorder(first);
    expect(fleet.byId('key/default/direct')).toBe(first.exits[0]);
    registry.reorder(connection({ connectionId: 'c3', epoch: 4 }));
    expect(fleet.byId('key/default/direct')).toBe(first.exits[0]);
  });

  test('lets go of a watcher that leaves', async () => {
    const { registry } = memoryRegistry();
    const abort = new AbortController();
    for await (const change of registry.watch('acme', abort.signal)) {
      expect(change.type).toBe('synced');
      break;
    }
    let records = 0;
    const held = connection();
    Object.defineProperty(held, 'metadata', { get: () => records++ });
    registry.put(held);
    registry.remove(held.connectionId);
    expect(records).toBe(0);
  });
});
