// What every registry must do, whoever keeps it: the tests of each implementation run these behaviours against it. What
// is put on one pod may be looked at on another, so the exits that are seen need not be the objects that were put.
import assert from 'node:assert/strict';
import type { Fleet } from '../route/candidate.ts';
import type { AgentChange, AgentDirectory } from './agents.ts';
import { type ExitOffer, LiveExit } from './live-exit.ts';
import type { FleetConnection, Registry } from './registry.ts';

export interface RegistryUnderTest {
  readonly registry: Registry;
  readonly directory: AgentDirectory;
  readonly fleet: Fleet<LiveExit>;
  /** Resolves when what was put and removed so far can be seen. */
  readonly settled: () => Promise<void>;
}

export interface Behaviour {
  readonly name: string;
  readonly check: (subject: RegistryUnderTest) => Promise<void>;
}

export function exitOffer(offer: Partial<ExitOffer> = {}): LiveExit {
  const agentId = offer.agentId ?? 'key/default';
  const name = offer.name ?? 'direct';
  return new LiveExit({
    exitId: `${agentId}/${name}`,
    agentId,
    name,
    kind: 'direct',
    state: 'available',
    capacity: 2,
    country: '',
    region: '',
    city: '',
    asn: 0,
    labels: new Map(),
    tenants: new Set(),
    ...offer,
  });
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function connection(given: Partial<FleetConnection> = {}): Mutable<FleetConnection> {
  const agentId = given.agentId ?? 'key/default';
  const tenants = given.tenants ?? new Set();
  return {
    connectionId: 'c1',
    agentId,
    podId: 'pod-1',
    instanceId: 'instance-1',
    connectSeq: BigInt(given.epoch ?? 1),
    epoch: 1,
    connectedAt: 1_000,
    lastHeartbeat: 2_000,
    draining: false,
    version: '0.1.0',
    exits: [exitOffer({ agentId, tenants })],
    tenants,
    metadata: { platform: 'linux-x64', instanceId: 'instance-1', protocol: '1' },
    ...given,
  };
}

const exitId = 'key/default/direct';
const tenant = 'acme';

const scheduling: Behaviour[] = [
  {
    name: 'offers the exits of a connection until it ends',
    async check({ registry, fleet, settled }) {
      const held = connection({
        exits: [exitOffer({ capacity: 7, country: 'DE', labels: new Map([['line', 'dsl']]) })],
      });
      registry.put(held);
      await settled();
      const { capacity, country, labels } = fleet.byId(exitId) ?? assert.fail('no exit');
      assert.deepEqual([capacity, country, [...labels]], [7, 'DE', [['line', 'dsl']]]);
      assert.equal(fleet.usable(tenant).set.size, 1);
      registry.remove(held.connectionId);
      await settled();
      assert.equal(fleet.byId(exitId), undefined);
      assert.equal(fleet.usable(tenant).set.size, 0);
    },
  },
  {
    name: 'replaces the exits of a connection that offers another list',
    async check({ registry, fleet, settled }) {
      const held = connection();
      registry.put(held);
      held.exits = [exitOffer({ name: 'lte', country: 'DE' })];
      registry.put(held);
      await settled();
      assert.equal(fleet.byId(exitId), undefined);
      assert.equal(fleet.byId('key/default/lte')?.country, 'DE');
    },
  },
  {
    name: 'schedules the exits of the newest of two connections, whichever was put first',
    async check({ registry, fleet, settled }) {
      registry.put(connection({ connectionId: 'c2', epoch: 2, exits: [exitOffer({ capacity: 7 })] }));
      registry.put(connection({ connectionId: 'c1', epoch: 1 }));
      await settled();
      assert.equal(fleet.byId(exitId)?.capacity, 7);
      assert.equal(fleet.usable(tenant).set.size, 1);
    },
  },
  {
    name: "keeps a newer connection's exits when an older one ends",
    async check({ registry, fleet, settled }) {
      registry.put(connection({ connectionId: 'c1', epoch: 1 }));
      registry.put(connection({ connectionId: 'c2', epoch: 2, exits: [exitOffer({ capacity: 7 })] }));
      registry.remove('c1');
      await settled();
      assert.equal(fleet.byId(exitId)?.capacity, 7);
    },
  },
  {
    name: "brings an older connection's exits back when the newer one ends first",
    async check({ registry, fleet, settled }) {
      registry.put(connection({ connectionId: 'c1', epoch: 1, exits: [exitOffer({ capacity: 7 })] }));
      registry.put(connection({ connectionId: 'c2', epoch: 2 }));
      registry.remove('c2');
      await settled();
      assert.equal(fleet.byId(exitId)?.capacity, 7);
      assert.equal(fleet.byId(exitId)?.open, true);
    },
  },
  {
    name: 'gives no job to an older connection that drains, even when it is the only one left',
    async check({ registry, fleet, settled }) {
      const older = connection({ connectionId: 'c1', epoch: 1 });
      registry.put(older);
      registry.put(connection({ connectionId: 'c2', epoch: 2 }));
      older.draining = true;
      for (const exit of older.exits) exit.draining = true;
      registry.put(older);
      await settled();
      assert.equal(fleet.byId(exitId)?.open, true);
      registry.remove('c2');
      await settled();
      assert.equal(fleet.byId(exitId)?.open, false);
    },
  },
  {
    name: 'knows the newest epoch of an agent',
    async check({ registry, settled }) {
      assert.equal(registry.newestEpoch('key/default'), 0);
      registry.put(connection({ epoch: 5 }));
      await settled();
      assert.ok(registry.newestEpoch('key/default') >= 5);
      assert.equal(registry.newestEpoch('key/other'), 0);
    },
  },
  {
    name: 'counts the agents of each key, each once however many connections it has',
    async check({ registry, settled }) {
      assert.equal(registry.knows('key/default'), false);
      registry.put(connection({ connectionId: 'c1', epoch: 1 }));
      registry.put(connection({ connectionId: 'c2', epoch: 2 }));
      registry.put(connection({ connectionId: 'c3', agentId: 'key/other' }));
      registry.put(connection({ connectionId: 'c4', agentId: 'key-2/other' }));
      await settled();
      assert.deepEqual([registry.agentsOf('key'), registry.agentsOf('key-2'), registry.agentsOf('none')], [2, 1, 0]);
      registry.remove('c1');
      registry.remove('c3');
      await settled();
      assert.deepEqual([registry.agentsOf('key'), registry.knows('key/default')], [1, true]);
      registry.remove('c2');
      await settled();
      assert.deepEqual([registry.agentsOf('key'), registry.knows('key/default')], [0, false]);
    },
  },
  {
    name: 'ignores the end of a connection that it does not know',
    async check({ registry, fleet, settled }) {
      registry.put(connection());
      registry.remove('unknown');
      await settled();
      assert.notEqual(fleet.byId(exitId), undefined);
    },
  },
];

const directory: Behaviour[] = [
  {
    name: 'lists every connection of an agent, and gets the newest',
    async check({ registry, directory, settled }) {
      registry.put(connection({ connectionId: 'c1', epoch: 1, draining: true }));
      registry.put(connection({ connectionId: 'c2', epoch: 2 }));
      await settled();
      const statuses = new Map(directory.list(tenant).map((agent) => [agent.connectionId, agent.status]));
      assert.deepEqual(
        statuses,
        new Map([
          ['c1', 'draining'],
          ['c2', 'available'],
        ]),
      );
      assert.equal(directory.get(tenant, 'key/default')?.connectionId, 'c2');
    },
  },
  {
    name: 'shows what an agent is, and nothing of its home',
    async check({ registry, directory, settled }) {
      const held = connection();
      registry.put(held);
      await settled();
      const { exits, connectedAt, lastHeartbeat, ...agent } =
        directory.get(tenant, 'key/default') ?? assert.fail('no agent');
      assert.ok(connectedAt > 0 && lastHeartbeat >= connectedAt);
      assert.deepEqual(agent, {
        connectionId: 'c1',
        agentId: 'key/default',
        status: 'available',
        podId: 'pod-1',
        version: '0.1.0',
        metadata: { platform: 'linux-x64', instanceId: 'instance-1', protocol: '1' },
      });
      assert.deepEqual(
        exits.map(({ exitId: id, capacity }) => [id, capacity]),
        [[exitId, 2]],
      );
    },
  },
  {
    name: 'calls an agent busy when none of its exits is open with room',
    async check({ registry, directory, fleet, settled }) {
      const full = exitOffer({ name: 'full', capacity: 1 });
      registry.put(connection({ exits: [full, exitOffer({ name: 'paused', state: 'paused' })] }));
      await settled();
      assert.equal(directory.get(tenant, 'key/default')?.status, 'available');
      const seen = fleet.byId(full.exitId) ?? assert.fail('no exit');
      seen.inFlight = 1;
      assert.equal(directory.get(tenant, 'key/default')?.status, 'busy');
    },
  },
  {
    name: 'shows a tenant only the agents and exits that it may use',
    async check({ registry, directory, fleet, settled }) {
      registry.put(connection({ connectionId: 'c1', agentId: 'shared/a' }));
      registry.put(connection({ connectionId: 'c2', agentId: 'own/a', tenants: new Set([tenant]) }));
      registry.put(connection({ connectionId: 'c3', agentId: 'other/a', tenants: new Set(['other']) }));
      await settled();
      assert.deepEqual(
        directory
          .list(tenant)
          .map(({ agentId }) => agentId)
          .sort(),
        ['own/a', 'shared/a'],
      );
      assert.equal(directory.get(tenant, 'other/a'), undefined);
      assert.equal(fleet.usable(tenant).set.size, 2);
      assert.equal(fleet.usable('stranger').set.size, 1);
    },
  },
];

const watching: Behaviour[] = [
  {
    name: 'tells a watcher what is there, then synced, then each change',
    async check({ registry, directory, settled }) {
      const held = connection();
      registry.put(held);
      await settled();
      const watch = watcher(directory, tenant);
      assert.deepEqual(await watch.next(), 'added c1');
      assert.deepEqual(await watch.next(), 'synced');
      held.draining = true;
      registry.put(held);
      assert.deepEqual(await watch.next(), 'updated c1');
      registry.remove('c1');
      assert.deepEqual(await watch.next(), 'removed c1');
      registry.put(connection({ connectionId: 'c2' }));
      assert.deepEqual(await watch.next(), 'added c2');
      await watch.end();
    },
  },
  {
    name: 'tells a slow watcher each connection once, as it is by then',
    async check({ registry, directory, settled }) {
      const watch = watcher(directory, tenant);
      assert.equal(await watch.next(), 'synced');
      const kept = connection({ connectionId: 'kept', agentId: 'key/kept' });
      for (let i = 0; i < 1_000; i++) {
        kept.version = `0.1.${i}`;
        registry.put(kept);
        registry.put(connection({ connectionId: `passing-${i}`, epoch: i }));
        registry.remove(`passing-${i}`);
      }
      registry.put(connection({ connectionId: 'last' }));
      await settled();
      assert.equal(await watch.next(), 'added kept');
      assert.equal(watch.version, '0.1.999');
      assert.equal(await watch.next(), 'added last');
      await watch.end();
    },
  },
  {
    name: 'tells a watcher of the end of what it has seen, with the last record',
    async check({ registry, directory, settled }) {
      const held = connection();
      registry.put(held);
      await settled();
      const watch = watcher(directory, tenant);
      assert.equal(await watch.next(), 'added c1');
      assert.equal(await watch.next(), 'synced');
      registry.put(held);
      registry.remove('c1');
      assert.equal(await watch.next(), 'removed c1');
      await watch.end();
    },
  },
  {
    name: 'shows an agent come and go as its key is given to a tenant and taken away',
    async check({ registry, directory, settled }) {
      const held = connection({ tenants: new Set(['other']) });
      registry.put(held);
      await settled();
      const watch = watcher(directory, tenant);
      assert.equal(await watch.next(), 'synced');
      held.tenants = new Set([tenant]);
      registry.put(held);
      assert.equal(await watch.next(), 'added c1');
      held.tenants = new Set(['other']);
      registry.put(held);
      assert.equal(await watch.next(), 'removed c1');
      await watch.end();
    },
  },
  {
    name: 'ends a watch when its signal aborts, also one that waits',
    async check({ directory }) {
      const watch = watcher(directory, tenant);
      assert.equal(await watch.next(), 'synced');
      const waiting = watch.next();
      await watch.end();
      assert.equal(await waiting, 'end');
    },
  },
];

export const registryBehaviours: readonly Behaviour[] = [...scheduling, ...directory, ...watching];

/** A watcher that tells each change in two words. */
function watcher(directory: AgentDirectory, forTenant: string) {
  const abort = new AbortController();
  const changes = directory.watch(forTenant, abort.signal)[Symbol.asyncIterator]();
  const watch = {
    version: '',
    async next(): Promise<string> {
      const { done, value } = (await changes.next()) as IteratorResult<AgentChange, undefined>;
      if (done) return 'end';
      if (value.type === 'synced') return 'synced';
      watch.version = value.agent.version;
      return `${value.type} ${value.agent.connectionId}`;
    },
    async end(): Promise<void> {
      abort.abort();
      assert.equal(await watch.next(), 'end');
    },
  };
  return watch;
}
