// Redis goes, stalls, comes back empty: jobs flow on as if nothing were, an agent that comes meanwhile serves its own pod,
// and afterwards every view is true again.
import { setTimeout as pause } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { JobService } from '../../../gen/resproxy/v1/job_pb.ts';
import { full, say } from '../../harness/run.ts';
import { story, type Use } from '../../harness/story.ts';
import { staysTrue } from '../../harness/view.ts';
import { until } from '../../harness/waiting.ts';
import { FaultLab } from '../lab.ts';
import { ofCalmWaters } from '../rules.ts';

/** Longer than a lease: what is not renewed is missed by then. */
const longerThanLeaseMs = 5_000;
/** For what a lease needs to run out, and to be taken again. */
const viewBoundMs = 15_000;
const callers = { grpc: 6, rest: 6, stream: 2 };
const boundMs = 120_000;

interface Away {
  readonly what: string;
  readonly forMs: number;
  /** How long views must stay true afterwards. */
  readonly watchedMs: number;
  readonly go: (lab: FaultLab) => unknown;
  readonly comeBack: (lab: FaultLab) => unknown;
}

const stalled = (forMs: number): Away => ({
  what: `Redis answers nothing for ${forMs / 1_000} s`,
  forMs,
  watchedMs: full ? longerThanLeaseMs : 0,
  go: ({ fleet }) => fleet.redis.stop(),
  comeBack: ({ fleet }) => fleet.redis.cont(),
});
const killed = (forMs: number): Away => ({
  what: `Redis is killed and is back after ${forMs / 1_000} s`,
  forMs,
  watchedMs: full ? longerThanLeaseMs : 0,
  go: ({ fleet }) => fleet.redis.kill(),
  comeBack: ({ fleet }) => fleet.redis.restart(),
});
const flushed: Away = {
  what: 'Redis forgets everything',
  forMs: 0,
  watchedMs: longerThanLeaseMs,
  go: ({ fleet }) => fleet.redis.cli('FLUSHALL'),
  comeBack: ({ fleet: { redis } }) => until('Redis is told again', async () => (await redis.cli('DBSIZE')) !== '0'),
};

const faults = full
  ? [killed(2_000), killed(20_000), stalled(5_000), stalled(20_000), flushed]
  : [killed(500), stalled(2_000), flushed];

story(
  `${faults.map(({ what }) => what).join('; ')}: jobs flow on, and views are true afterwards`,
  async (use) => {
    const lab = await FaultLab.start(use, { agents: 4 });
    const load = lab.load({ callers, longestStreamMs: 2_000 });
    for (const fault of faults) await suffer(lab, fault);
    await load.stop();
    lab.verdict(`${faults.length} faults of Redis`, ofCalmWaters, { downs: 0, ended: full ? 500 : 100, atOrigin: 0 });
  },
  boundMs + faults.length * viewBoundMs,
);

story(
  'an agent that comes while Redis is away serves its pod at once, and the others when Redis is back',
  async (use: Use) => {
    const lab = await FaultLab.start(use, { pods: ['pod-a', 'pod-b'], agents: 1 });
    await lab.fleet.redis.kill();
    await lab.startAgent('late', 'pod-b');
    const job = { request: { url: lab.origin.url('/echo') }, target: { exitId: 'home-1/late/direct' } };
    const runAt = (name: string) => lab.fleet.pod(name).grpc.call(JobService.method.runJob, job);
    await until('pod-b runs jobs on it', () => runAt('pod-b').catch(() => false as const));
    expect(await Promise.all(lab.fleet.pods.map((pod) => pod.probe('/readyz')))).toEqual([200, 200]);
    await lab.fleet.redis.restart();
    await lab.trueView(viewBoundMs);
    expect((await runAt('pod-a')).response?.statusCode).toBe(200);
  },
);

async function suffer(lab: FaultLab, { what, forMs, watchedMs, go, comeBack }: Away): Promise<void> {
  await go(lab);
  await pause(forMs);
  await comeBack(lab);
  const begin = performance.now();
  await lab.trueView(viewBoundMs);
  say(`${what}: all views are true ${Math.round(performance.now() - begin)} ms after it is back`);
  await staysTrue(lab.fleet, lab.agents, watchedMs);
}
