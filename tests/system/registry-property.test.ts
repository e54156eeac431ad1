// Whatever happens to three pods and their Redis, in whatever order: in the end every view holds exactly the connections
// that are open, and no agent is open twice under two programs.
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { RedisServer } from '../harness/redis.ts';
import { agreed, RegistryPod } from '../harness/registry-pod.ts';
import { story } from '../harness/story.ts';

const redisEvents = ['flush', 'freeze', 'thaw', 'restart'] as const;
const pod = fc.integer({ min: 0, max: 2 });
const event = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constant('connect'), pod, agent: fc.nat(4), program: fc.nat(1) } as const),
  },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('disconnect'), pod, which: fc.nat(9) } as const) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('change'), pod, which: fc.nat(9) } as const) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('pause'), ms: fc.integer({ min: 1, max: 400 }) } as const) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('crash'), pod } as const) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('part'), pod } as const) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('rejoin'), pod } as const) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom(...redisEvents) } as const) },
);

type Event = typeof event extends fc.Arbitrary<infer E> ? E : never;

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

class Fleet {
  readonly pods: RegistryPod[] = [];
  readonly #dead: RegistryPod[] = [];
  readonly #server: RedisServer;

  constructor(server: RedisServer) {
    this.#server = server;
    for (let i = 0; i < 3; i++) this.pods.push(this.#newPod(i));
  }

  async happen(what: Event): Promise<void> {
    if (what.type === 'pause') return void (await pause(what.ms));
    if (!('pod' in what)) return this.#happenToRedis(what.type);
    const pod = this.pods[what.pod];
    if (!pod) throw new Error('no such pod');
    if (what.type === 'connect') pod.connect(`key/${what.agent}`, { instanceId: `program-${what.program}` });
    else if (what.type === 'part') pod.part();
    else if (what.type === 'rejoin') pod.rejoin();
    else if (what.type === 'crash') this.#crash(what.pod, pod);
    else if ('which' in what) this.#touch(pod, what.which, what.type);
  }

  /** All is well again. */
  async settle(): Promise<void> {
    this.#server.cont();
    for (const pod of this.pods) pod.rejoin();
    await agreed(this.pods, 20_000);
  }

  async close(): Promise<void> {
    await Promise.all([...this.pods, ...this.#dead].map((pod) => pod.close()));
    await this.#server.close();
  }

  async #happenToRedis(what: (typeof redisEvents)[number]): Promise<void> {
    if (what === 'freeze') return this.#server.stop();
    if (what === 'restart') return this.#server.restart();
    this.#server.cont();
    if (what === 'flush') await this.#server.cli('FLUSHALL');
  }

  #touch(pod: RegistryPod, which: number, how: 'change' | 'disconnect'): void {
    const open = [...pod.open.values()];
    const made = open[which % open.length];
    if (!made) return;
    if (how === 'disconnect') return pod.disconnect(made.connectionId);
    made.version = `0.1.${which}`;
    pod.registry.put(made);
  }

  /** The process is gone with its connections, and another one starts under its name. */
  #crash(index: number, pod: RegistryPod): void {
    pod.part();
    this.#dead.push(pod);
    this.pods[index] = this.#newPod(index);
  }

  #newPod(index: number): RegistryPod {
    return new RegistryPod({ url: this.#server.url, podId: `pod-${index + 1}` });
  }
}

story(
  'in the end every view is true',
  async () => {
    const events = fc.array(event, { minLength: 10, maxLength: 40 });
    const run = async (history: readonly Event[]) => {
      const fleet = new Fleet(await RedisServer.start({ persistence: 'none' }));
      try {
        for (const what of history) await fleet.happen(what);
        await fleet.settle();
        const programs = new Map<string, Set<string>>();
        for (const { open } of fleet.pods)
          for (const { agentId, instanceId } of open.values())
            programs.set(agentId, (programs.get(agentId) ?? new Set()).add(instanceId));
        for (const [agentId, names] of programs) expect([agentId, names.size]).toEqual([agentId, 1]);
      } finally {
        await fleet.close();
      }
    };
    await fc.assert(fc.asyncProperty(events, run), {
      numRuns: Number(process.env.REGISTRY_RUNS ?? 4),
      endOnFailure: true,
      markInterruptAsFailure: true,
    });
  },
  600_000,
);
