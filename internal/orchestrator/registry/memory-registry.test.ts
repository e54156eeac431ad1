import { describe, expect, test } from '@jest/globals';
import { FleetView } from './fleet-view.ts';
import { MemoryRegistry } from './memory-registry.ts';
import { connection, exitOffer, registryBehaviours } from './registry-suite.ts';

function memoryRegistry() {
  const fleet = new FleetView();
  return { registry: new MemoryRegistry(fleet), fleet, settled: async () => {} };
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

  test('knows every agent, whoever may use it', () => {
    const { registry } = memoryRegistry();
    registry.put(connection({ connectionId: 'c1', agentId: 'own/a', tenants: new Set(['acme']) }));
    registry.put(connection({ connectionId: 'c2', agentId: 'other/a', tenants: new Set(['other']) }));
    expect(Array.from(registry.all(), ({ agentId }) => agentId)).toEqual(['own/a', 'other/a']);
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
