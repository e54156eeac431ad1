// Durable jobs in Redis, shared by all pods. Every change is one script by the server's time; a script that was run may
// still be told as failed, and then is safe to run again. Reads and writes of one tenant go to its partition, and what
// concerns all tenants goes over the partitions in turn.
import type { Clock } from '../../../kit/clock.ts';
import type { RedisCommands } from '../../redis/redis-client.ts';
import { Followers } from '../followers.ts';
import type { CallbackState, JobEvent, JobRecord, JobRef, JobState, NewJob } from '../job.ts';
import { defaultJobSettings, type JobSettings, jobLimits } from '../job-limits.ts';
import type {
  Cancelled,
  Claim,
  ClaimedJob,
  Delivery,
  DeliveryOutcome,
  DepthRow,
  Ending,
  Held,
  JobChange,
  JobStore,
  Lease,
  ListFilter,
  OldestRow,
  Page,
  ParkedPage,
  Redriven,
  ResultHead,
  Retry,
  Submitted,
  Swept,
} from '../job-store.ts';
import { assertBounded, assertChunk, assertMeta } from '../ledger/bounds.ts';
import { blankJob, newJob } from '../ledger/new-job.ts';
import type { StoredJob } from '../ledger/shelf.ts';
import { ChangeFollower } from './follower.ts';
import { jobKey, partitionOf, partitionsKey, specKey, statesKey, targetsKey } from './keys.ts';
import { Partition, recordOf } from './partition.ts';
import { scripts } from './scripts.ts';
import { chunksOf, readSpec, writeSpec } from './spec.ts';
import { merged, oldestOf, sumOf } from './sums.ts';

export interface RedisStoreOptions {
  readonly redis: RedisCommands;
  /** A connection of its own, that may wait; it belongs to the caller, who closes it after the store. */
  readonly follower: RedisCommands;
  readonly clock: Clock;
  readonly prefix: string;
  /** 1 unless the store is spread over a Cluster; the same for the life of the store. */
  readonly partitions: number;
  readonly settings?: JobSettings;
  /** Unix milliseconds in place of the server's own, for tests. */
  readonly now?: () => number;
}

type Outcome = { readonly kind: string; readonly job?: StoredJob };

/** Rejects when the store in Redis was made with another number of partitions. */
export async function openRedisJobStore(options: RedisStoreOptions): Promise<JobStore> {
  const store = new RedisJobStore(options);
  await store.open();
  return store;
}

class RedisJobStore implements JobStore {
  readonly #prefix: string;
  readonly #partitions: readonly Partition[];
  readonly #followers = new Followers();
  readonly #follower: ChangeFollower;
  #turn = 0;

  constructor(options: RedisStoreOptions) {
    const { redis, follower, clock, prefix, partitions, settings = defaultJobSettings, now } = options;
    this.#prefix = prefix;
    this.#partitions = Array.from(
      { length: partitions },
      (_, number) => new Partition({ redis, prefix, settings, now }, number),
    );
    const tags = this.#partitions.map(({ tag }) => tag);
    this.#follower = new ChangeFollower(follower, tags, this.#followers, clock);
  }

  async open(): Promise<void> {
    const key = partitionsKey(this.#prefix);
    const partition = this.#of('');
    await partition.call('SET', [key, this.#partitions.length, 'NX']);
    const made = Number(await partition.call('GET', [key]));
    if (made === this.#partitions.length) return;
    throw new Error(`the job store has ${made} partitions and not ${this.#partitions.length}`);
  }

  async submit(given: NewJob): Promise<Submitted> {
    assertBounded(given);
    const partition = this.#of(given.tenant);
    const { spec, tenant, jobId, callback = new Uint8Array() } = given;
    const specTtlMs = given.queueMs + given.keepMs + jobLimits.bytesGraceMs;
    const [first = new Uint8Array(), ...rest] = chunksOf(spec);
    await writeSpec(partition, given, rest);
    const ask = {
      tenant,
      job: { ...newJob(given, 0, 0), specChunks: rest.length + 1 },
      delayMs: given.delayMs,
      keyTtlMs: given.key?.ttlMs ?? 0,
      specChunks: rest.length + 1,
      specTtlMs,
    };
    const outcome = shown(await partition.ask<Outcome>(scripts.submit, ask, [first, callback])) as Submitted;
    if (outcome.kind !== 'created' && !('job' in outcome && outcome.job.jobId === jobId)) {
      await this.#dropSpec(partition, given, rest.length);
    }
    return outcome;
  }

  async claim({ podId, limit, leaseMs }: Claim): Promise<readonly ClaimedJob[]> {
    const wanted = Math.min(limit, jobLimits.maxClaimed);
    const claimed: ClaimedJob[] = [];
    for (const partition of this.#inTurn()) {
      const ask = { podId, limit: wanted - claimed.length, leaseMs };
      const found = pairs(await partition.run(scripts.claim, ask, [], 'bytes'));
      for (const [job, first] of found) claimed.push(await claimedJob(partition, parsed(job), first));
      if (claimed.length >= wanted) break;
    }
    return claimed;
  }

  async renew(leases: readonly Lease[], leaseMs: number): Promise<readonly Lease[]> {
    const byPartition = Map.groupBy(leases, ({ tenant }) => this.#of(tenant));
    const lost = Array.from(byPartition, async ([partition, own]) => {
      const places = (await partition.run(scripts.renew, { leases: own, leaseMs })) as readonly number[];
      return places.flatMap((place) => own[place - 1] ?? []);
    });
    return (await Promise.all(lost)).flat();
  }

  release(lease: Lease, delayMs: number): Promise<Held> {
    return this.#hold(scripts.release, lease, { delayMs });
  }

  park(lease: Lease, target: string): Promise<Held | 'full'> {
    return this.#hold(scripts.park, lease, { target });
  }

  async unpark(target: string, limit: number): Promise<number> {
    const wanted = Math.min(limit, jobLimits.maxSwept);
    let woken = 0;
    for (const partition of this.#partitions) {
      if (woken < wanted) woken += Number(await partition.run(scripts.unpark, { target, limit: wanted - woken }));
    }
    return woken;
  }

  /** Partition by partition; the cursor says which, and how far its scan has come. */
  async parkedTargets(limit: number, cursor: string): Promise<ParkedPage> {
    const [number = 0, from = 0] = cursor.split('/').map(Number);
    const partition = this.#partitions[number];
    if (!partition) return { targets: [], next: '' };
    const wanted = Math.min(limit, jobLimits.maxParkedTargetsListed);
    const page = await partition.call('HSCAN', [targetsKey(partition.tag), from, 'COUNT', wanted]);
    const [at, flat] = page as readonly [string, readonly string[]];
    const targets = merged([flat]).map(([target, jobs]) => ({ target, jobs }));
    if (at !== '0') return { targets, next: `${number}/${at}` };
    return { targets, next: number + 1 < this.#partitions.length ? `${number + 1}/0` : '' };
  }

  dispatched(lease: Lease, exitId: string): Promise<Held> {
    return this.#hold(scripts.dispatched, lease, { exitId });
  }

  running(lease: Lease): Promise<Held> {
    return this.#hold(scripts.running, lease, {});
  }

  async putChunk(lease: Lease, index: number, bytes: Uint8Array): Promise<Held> {
    assertChunk(index, bytes);
    return this.#hold(scripts.putChunk, lease, { index, graceMs: jobLimits.bytesGraceMs }, [bytes]);
  }

  async finish(lease: Lease, ending: Ending): Promise<Held> {
    const graceMs = jobLimits.bytesGraceMs;
    if (ending.state !== 'SUCCEEDED') {
      const { state, failure, attempt = null } = ending;
      return this.#hold(scripts.finish, lease, { state, failure, attempt, graceMs });
    }
    const { meta, ...rest } = ending;
    assertMeta(meta);
    return this.#hold(scripts.finish, lease, { ...rest, failure: null, graceMs }, [meta]);
  }

  retry(lease: Lease, { delayMs, attempt }: Retry): Promise<Held | 'ended'> {
    return this.#hold(scripts.retry, lease, { delayMs, attempt });
  }

  async cancel({ tenant, jobId }: JobRef): Promise<Cancelled> {
    return shown(await this.#of(tenant).ask<Outcome>(scripts.cancel, { tenant, jobId })) as Cancelled;
  }

  async redrive({ tenant, jobId }: JobRef, newJobId: string): Promise<Redriven> {
    const blank = blankJob(tenant, newJobId);
    const ask = { tenant, jobId, newJobId, blank, graceMs: jobLimits.bytesGraceMs };
    return shown(await this.#of(tenant).ask<Outcome>(scripts.redrive, ask)) as Redriven;
  }

  async get({ tenant, jobId }: JobRef): Promise<JobRecord | undefined> {
    const partition = this.#of(tenant);
    const text = await partition.call('GET', [jobKey(partition.tag, tenant, jobId)]);
    return text === null ? undefined : recordOf(parsed(text));
  }

  async list(tenant: string, filter: ListFilter, limit: number, cursor: string): Promise<Page> {
    const below = cursor === '' ? '+inf' : `(${Number(cursor)}`;
    const page = { limit: Math.min(limit, jobLimits.maxListed), cursor: below, maxScanned: jobLimits.maxScanned };
    const found = await this.#of(tenant).run(scripts.list, { tenant, ...filter, ...page });
    const [next = '', ...jobs] = found as readonly string[];
    return { jobs: jobs.map((job) => recordOf(parsed(job))), next };
  }

  async events({ tenant, jobId }: JobRef, after: number): Promise<readonly JobEvent[] | undefined> {
    const ask = { tenant, jobId, after, limit: jobLimits.maxEventsListed };
    const found = (await this.#of(tenant).run(scripts.events, ask)) as readonly string[] | null;
    return found?.map((event) => JSON.parse(event));
  }

  async result(ref: JobRef): Promise<ResultHead | undefined> {
    const [meta, bodyBytes, chunks] = (await this.#resultPart(ref, -1)) ?? [];
    return meta && { meta, bodyBytes: Number(bodyBytes), chunks: Number(chunks) };
  }

  async resultChunk(ref: JobRef, index: number): Promise<Uint8Array | undefined> {
    return (await this.#resultPart(ref, index))?.[0];
  }

  async sweep(): Promise<Swept> {
    return sumOf(await Promise.all(this.#partitions.map((partition) => partition.ask<Swept>(scripts.sweep, {}))));
  }

  async depth(): Promise<readonly DepthRow[]> {
    return (await this.#counters(statesKey)).map(([name, jobs]) => {
      const [state, priority] = name.split('/');
      return { state: state as JobState, priority: Number(priority), jobs };
    });
  }

  async oldest(): Promise<readonly OldestRow[]> {
    const ask = { maxPriority: jobLimits.maxPriority };
    return oldestOf(await Promise.all(this.#partitions.map((partition) => partition.run(scripts.oldest, ask))));
  }

  async claimDeliveries(limit: number, leaseMs: number): Promise<readonly Delivery[]> {
    const wanted = Math.min(limit, jobLimits.maxClaimed);
    const claimed: Delivery[] = [];
    for (const partition of this.#inTurn()) {
      if (claimed.length >= wanted) break;
      const ask = { limit: wanted - claimed.length, leaseMs };
      const found = pairs(await partition.run(scripts.claimDeliveries, ask, [], 'bytes'));
      for (const [job, callback] of found) claimed.push(deliveryOf(parsed(job), callback));
    }
    return claimed;
  }

  async recordDelivery(
    { tenant, jobId, fence }: JobRef & { readonly fence: number },
    outcome: DeliveryOutcome,
  ): Promise<Held> {
    const ask = { tenant, jobId, fence, ...outcome };
    return (await this.#of(tenant).run(scripts.recordDelivery, ask)) as Held;
  }

  async redeliver({ tenant, jobId }: JobRef): Promise<CallbackState | undefined> {
    const text = (await this.#of(tenant).run(scripts.redeliver, { tenant, jobId })) as string | null;
    return text === null ? undefined : JSON.parse(text);
  }

  follow(listener: (change: JobChange) => void): () => void {
    this.#follower.start();
    return this.#followers.follow(listener);
  }

  async close(): Promise<void> {
    this.#follower.stop();
  }

  #of(tenant: string): Partition {
    const partition = this.#partitions[partitionOf(tenant, this.#partitions.length)];
    if (!partition) throw new RangeError('a job store has one partition at least');
    return partition;
  }

  /** Every partition, beginning with another one each time. */
  #inTurn(): readonly Partition[] {
    const first = this.#turn++ % this.#partitions.length;
    return [...this.#partitions.slice(first), ...this.#partitions.slice(0, first)];
  }

  async #hold<T extends string>(
    script: (typeof scripts)[keyof typeof scripts],
    lease: Lease,
    ask: object,
    bytes: readonly Uint8Array[] = [],
  ): Promise<T> {
    return (await this.#of(lease.tenant).run(script, { ...ask, lease }, bytes)) as T;
  }

  async #resultPart({ tenant, jobId }: JobRef, index: number) {
    const found = await this.#of(tenant).run(scripts.result, { tenant, jobId, index }, [], 'bytes');
    return (found ?? undefined) as readonly [Buffer, number, number] | undefined;
  }

  async #counters(keyOf: (tag: string) => string) {
    const calls = this.#partitions.map((partition) => partition.call('HGETALL', [keyOf(partition.tag)]));
    return merged(await Promise.all(calls));
  }

  /** Chunks of a submit that made no job. */
  async #dropSpec(partition: Partition, { tenant, jobId }: JobRef, chunks: number): Promise<void> {
    const keys = Array.from({ length: chunks }, (_, i) => specKey(partition.tag, tenant, jobId, i + 1));
    if (keys.length > 0) await partition.call('UNLINK', keys);
  }
}

function shown(outcome: Outcome): object {
  return outcome.job ? { ...outcome, job: recordOf(outcome.job) } : outcome;
}

function parsed(text: unknown): StoredJob {
  return JSON.parse(String(text));
}

function pairs(reply: unknown): [Buffer, Buffer][] {
  const flat = reply as readonly Buffer[];
  return flat.flatMap((bytes, i): [Buffer, Buffer][] => {
    const next = flat[i + 1];
    return i % 2 === 0 && next ? [[bytes, next]] : [];
  });
}

async function claimedJob(partition: Partition, job: StoredJob, first: Buffer): Promise<ClaimedJob> {
  const { tenant, jobId, epoch, attempt } = job;
  const spec = await readSpec(partition, job, first);
  return { lease: { tenant, jobId, epoch, attempt: attempt + 1 }, spec, job: recordOf(job) };
}

function deliveryOf(job: StoredJob, callback: Buffer): Delivery {
  const { tenant, jobId, fence } = job;
  return { tenant, jobId, fence, callback, job: recordOf(job) };
}
