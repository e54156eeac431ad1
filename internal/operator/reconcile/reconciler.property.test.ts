// Whatever people do to an AgentKey and its Secret, and wherever the operator dies on the way: once it runs in peace
// again, all is well, and then there is nothing left to do.
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { countOf } from '../../agentkey/key-id.ts';
import { Crash, World } from './world-fixture.ts';

type Act = (world: World) => void;

const acts: Readonly<Record<string, Act>> = {
  deletesSecret: (world) => {
    world.secretObject = undefined;
  },
  altersKey: (world) => {
    if (world.secretObject)
      world.changeSecret((secret) => ({ ...secret, data: { ...secret.data, AGENT_KEY: 'eA==' } }));
  },
  altersAddress: (world) => {
    if (world.secretObject) world.changeSecret((secret) => ({ ...secret, data: { ...secret.data, ORCH_WS: 'eA==' } }));
  },
  rotates: (world) => world.changeSpec({ rotation: { id: `r${world.writes}`, overlap: '10m' } }),
  rotatesOften: (world) => world.changeSpec({ rotation: { every: '1h', overlap: '10m' } }),
  suspends: (world) => world.changeSpec({ suspend: true }),
  resumes: (world) => world.changeSpec({ suspend: false }),
  retains: (world) => world.changeSpec({ deletionPolicy: 'Retain' }),
  losesStatus: (world) => world.clearStatus(),
  waits: (world) => {
    world.nowMs += 25 * 60_000;
  },
};

const step = fc.record({
  act: fc.constantFrom(...Object.keys(acts)),
  crash: fc.option(fc.record({ writesLeft: fc.nat(3), after: fc.boolean() }), { nil: undefined }),
});

async function runUntilCrash(world: World): Promise<void> {
  try {
    await world.run();
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
}

test('the next run mends whatever the last one left', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
      const world = new World();
      for (const { act, crash } of steps) {
        acts[act]?.(world);
        world.crash = crash && { ...crash };
        await runUntilCrash(world);
        world.crash = undefined;
      }
      await world.run();

      const { keys, activeKeyID, conditions } = world.status;
      expect(conditions.find(({ type }) => type === 'Ready')?.status).toBe('True');
      expect(keys[0]).toEqual({ id: activeKeyID, digest: world.heldDigest });
      expect(world.text('AGENT_KEY_ID')).toBe(activeKeyID);
      expect(keys.length).toBeLessThanOrEqual(4);
      for (const { id, notAfter } of keys.slice(1)) {
        expect(Date.parse(notAfter ?? '')).toBeGreaterThan(world.nowMs);
        expect(countOf(id)).toBeLessThan(countOf(activeKeyID ?? ''));
      }

      const { writes } = world;
      await world.run();
      expect(world.writes).toBe(writes);
    }),
    { numRuns: 300 },
  );
});
