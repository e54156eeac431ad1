// Whether a claim costs more when more jobs wait: CPU of Redis for the claim, mark and finish of a job with a short queue
// and with a long one, each in a Redis of its own.
import type { JobStore } from '../internal/orchestrator/jobs/job-store.ts';
import { RedisServer } from '../tests/harness/redis.ts';
import { TestClient } from '../tests/harness/redis-client.ts';
import { figure, show } from './figures.ts';
import type { Say, Use } from './lab.ts';
import { load } from './load.ts';
import { claimed, claimLimit, end, inFlight, newJob, openStore, pairs, redisCpuUs } from './queue-lab.ts';

const shortQueue = 1_000;
/** RESPROXY_BENCH_BACKLOG=1000000 takes Redis 2.5 GB and two minutes more. */
const longQueue = Number(process.env.RESPROXY_BENCH_BACKLOG ?? 100_000);
const claimedPerRound = 400;
const tenants = 50;

export async function byLengthOfQueue(use: Use, say: Say) {
  const short = await queued(use, shortQueue);
  const long = await queued(use, longQueue);
  const [shorts, longs]: [number[], number[]] = [[], []];
  for (let i = -1; i < pairs; i++) {
    const [shortUs, longUs] = [await claimCost(short), await claimCost(long)];
    if (i < 0) continue;
    shorts.push(shortUs);
    longs.push(longUs);
  }
  const ratio = figure(longs.map((us, i) => us / (shorts[i] ?? Number.NaN)));
  say(`a claimed and finished job of ${tenants} tenants, us CPU of Redis, median (lowest-highest)`);
  say(`with ${shortQueue} queued: ${show(figure(shorts))}; with ${longQueue}: ${show(figure(longs))}`);
  say(`ratio ${show(ratio)}`);
  return { shortQueue, longQueue, short: figure(shorts), long: figure(longs), ratio };
}

interface Queued {
  readonly server: RedisServer;
  readonly store: JobStore;
  readonly submit: (count: number) => Promise<void>;
}

async function queued(use: Use, length: number): Promise<Queued> {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const client = use(await TestClient.up(server.url));
  const store = use(await openStore(client.redis, client));
  let made = 0;
  const one = async () => void (await store.submit(newJob(`job-${++made}`, `tenant-${made % tenants}`)));
  const submit = (count: number) => load(one, count, inFlight);
  await submit(length);
  return { server, store, submit };
}

/** The queue is as long after it as before. */
async function claimCost({ server, store, submit }: Queued): Promise<number> {
  const claimAndFinish = async () => void (await Promise.all((await claimed(store)).map((lease) => end(store, lease))));
  const before = await redisCpuUs(server);
  await load(claimAndFinish, claimedPerRound / claimLimit, inFlight / claimLimit);
  const us = ((await redisCpuUs(server)) - before) / claimedPerRound;
  await submit(claimedPerRound);
  return us;
}
