// CPU of the store's client and of Redis for a submit, and for the claim, mark and finish of a job, beside the same scripts
// run barely (floors/bare-store.ts), in alternated pairs.
import type { Lease } from '../internal/orchestrator/jobs/job-store.ts';
import type { RedisCommands } from '../internal/orchestrator/redis/redis-client.ts';
import { RedisServer } from '../tests/harness/redis.ts';
import { TestClient } from '../tests/harness/redis-client.ts';
import { type Figure, figure, show } from './figures.ts';
import { BareStore, idMark, type RecordedRun } from './floors/bare-store.ts';
import type { Say, Use } from './lab.ts';
import { load } from './load.ts';
import { claimed, claimLimit, end, inFlight, newJob, openStore, pairs, redisCpuUs } from './queue-lab.ts';

const jobs = 4_000;

/** What a queue does for a pod; J tells a claimed job. */
interface Queue<J> {
  readonly submit: (jobId: string) => Promise<unknown>;
  readonly claim: () => Promise<readonly J[]>;
  readonly end: (job: J) => Promise<void>;
}

interface Cost {
  readonly clientUs: number;
  readonly redisUs: number;
  readonly bothUs: number;
}

interface Round {
  readonly submit: Cost;
  readonly claimAndFinish: Cost;
}

export async function besideBareScripts(use: Use, say: Say) {
  const server = use(await RedisServer.start({ persistence: 'none' }));
  const client = use(await TestClient.up(server.url));
  const runs = new Map<string, RecordedRun>();
  const store = use(await openStore(recording(client.redis, runs), client));
  await store.submit(newJob(idMark));
  for (const lease of await claimed(store)) await end(store, lease);
  const bare = use(await BareStore.open(server.url, new Map(runs)));
  const real: Queue<Lease> = {
    submit: (jobId) => store.submit(newJob(jobId)),
    claim: () => claimed(store),
    end: (lease) => end(store, lease),
  };
  const floor: Queue<string> = {
    submit: (jobId) => bare.submit(jobId),
    claim: () => bare.claim(),
    end: (jobId) => bare.end(jobId),
  };
  const [floors, reals]: [Round[], Round[]] = [[], []];
  for (let pair = -1; pair < pairs; pair++) {
    const [floorRound, realRound] = [
      await round(server, floor, `floor-${pair}`),
      await round(server, real, `real-${pair}`),
    ];
    // The first pair warms up.
    if (pair >= 0) floors.push(floorRound);
    if (pair >= 0) reals.push(realRound);
  }
  say(`${inFlight} in flight, ${jobs} jobs a run, ${pairs} alternated pairs; us CPU a job, median (lowest-highest)`);
  say('                                     bare scripts             store                    ratio');
  const table: Record<string, { floor: Figure; real: Figure; ratio: Figure }> = {};
  for (const step of ['submit', 'claimAndFinish'] as const)
    for (const whose of ['clientUs', 'redisUs', 'bothUs'] as const) {
      const [ours, theirs] = [reals.map((one) => one[step][whose]), floors.map((one) => one[step][whose])];
      const ratio = figure(ours.map((us, i) => us / (theirs[i] ?? Number.NaN)));
      const row = { floor: figure(theirs), real: figure(ours), ratio };
      table[`${step}.${whose}`] = row;
      const cells = [row.floor, row.real].map((one) => show(one).padEnd(24)).join(' ');
      say(`${`${names[step]}, ${names[whose]}`.padEnd(36)} ${cells} ${show(ratio)}`);
    }
  return table;
}

const names = {
  submit: 'submit',
  claimAndFinish: 'claim, mark, finish',
  clientUs: 'client',
  redisUs: 'Redis',
  bothUs: 'both',
} as const;

async function round<J>(server: RedisServer, queue: Queue<J>, prefix: string): Promise<Round> {
  let submitted = 0;
  const submit = async () => void (await queue.submit(`${prefix}-${submitted++}`));
  const submitCost = await costOf(server, () => load(submit, jobs, inFlight));
  const claimAndFinish = async () => void (await Promise.all((await queue.claim()).map((job) => queue.end(job))));
  const times = jobs / claimLimit;
  return {
    submit: submitCost,
    claimAndFinish: await costOf(server, () => load(claimAndFinish, times, inFlight / claimLimit)),
  };
}

async function costOf(server: RedisServer, work: () => Promise<void>): Promise<Cost> {
  const redisBefore = await redisCpuUs(server);
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  const clientUs = (user + system) / jobs;
  const redisUs = ((await redisCpuUs(server)) - redisBefore) / jobs;
  return { clientUs, redisUs, bothUs: clientUs + redisUs };
}

/** Keeps the last run of each script. */
function recording(redis: RedisCommands, runs: Map<string, RecordedRun>): RedisCommands {
  return {
    get status() {
      return redis.status;
    },
    onStatus: (listener) => redis.onStatus(listener),
    run: (script, keys, args, form) => {
      runs.set(script.name, { keys, args });
      return redis.run(script, keys, args, form);
    },
    call: (command, args, form) => redis.call(command, args, form),
  };
}
