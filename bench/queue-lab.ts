// What the benchmarks of the store share: a job of the usual size, the steps of a pod that runs it, and a store in a real
// Redis whose CPU is counted.
import { systemClock } from '../internal/kit/clock.ts';
import type { NewJob } from '../internal/orchestrator/jobs/job.ts';
import type { JobStore, Lease } from '../internal/orchestrator/jobs/job-store.ts';
import { openRedisJobStore } from '../internal/orchestrator/jobs/redis/redis-store.ts';
import type { RedisCommands } from '../internal/orchestrator/redis/redis-client.ts';
import type { RedisServer } from '../tests/harness/redis.ts';
import type { TestClient } from '../tests/harness/redis-client.ts';

export const inFlight = 64;
export const claimLimit = 8;
export const pairs = 5;
/** Longer than any run. */
const leaseMs = 600_000;

export function newJob(jobId: string, tenant = 'bench'): NewJob {
  const day = 86_400_000;
  return {
    tenant,
    jobId,
    spec: Buffer.alloc(600, 'spec'),
    about: 'GET https://example.org/page?id=4711',
    labels: { batch: '4711' },
    priority: 5,
    idempotent: true,
    maxAttempts: 3,
    delayMs: 0,
    queueMs: day,
    resultTtlMs: day,
    keepMs: day,
    key: undefined,
    callback: undefined,
  };
}

/** Marks it as sent and finishes it, as the pod that claimed it does. */
export async function end(store: JobStore, lease: Lease): Promise<void> {
  const exitId = 'key/default/direct';
  await store.dispatched(lease, exitId);
  const attempt = { attempt: lease.attempt, exitId, failure: null, durationMs: 123 };
  await store.finish(lease, { state: 'SUCCEEDED', attempt, meta: Buffer.alloc(300, 'meta'), bodyBytes: 0, chunks: 0 });
}

export async function claimed(store: JobStore): Promise<readonly Lease[]> {
  return (await store.claim({ podId: 'bench', limit: claimLimit, leaseMs })).map(({ lease }) => lease);
}

/** As Redis itself counts it, in microseconds. */
export async function redisCpuUs(server: RedisServer): Promise<number> {
  const said = await server.cli('INFO', 'cpu');
  const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(said)?.[1]);
  return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1e6;
}

export async function openStore(redis: RedisCommands, follower: TestClient): Promise<JobStore> {
  return openRedisJobStore({ redis, follower: follower.redis, clock: systemClock, prefix: 'rp', partitions: 1 });
}
