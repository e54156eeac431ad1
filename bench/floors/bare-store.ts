// The floor of the store: the same scripts, run by a bare ioredis with arguments that were put together beforehand, so
// that a job costs one replacement of its id. What it leaves out is what a store does for its callers: bounds, records,
// faults, reconnecting, metrics.
import { Redis } from 'ioredis';
import type { JobRecord } from '../../internal/orchestrator/jobs/job.ts';
import { scripts } from '../../internal/orchestrator/jobs/redis/scripts.ts';
import type { RedisArgument } from '../../internal/orchestrator/redis/connection.ts';
import type { RedisScript } from '../../internal/orchestrator/redis/redis-script.ts';

/** Stands for the id of a job in what was recorded. */
export const idMark = 'the-id-of-the-job';

export interface RecordedRun {
  readonly keys: readonly string[];
  readonly args: readonly RedisArgument[];
}

export class BareStore {
  readonly #redis: Redis;
  readonly #runs: ReadonlyMap<string, RecordedRun>;

  private constructor(redis: Redis, runs: ReadonlyMap<string, RecordedRun>) {
    this.#redis = redis;
    this.#runs = runs;
  }

  /** `runs`: one of each script, of a job whose id is the mark, by the script's name. */
  static async open(url: string, runs: ReadonlyMap<string, RecordedRun>): Promise<BareStore> {
    const redis = new Redis(url);
    for (const { lua } of Object.values(scripts)) await redis.script('LOAD', lua);
    return new BareStore(redis, runs);
  }

  submit(jobId: string): Promise<unknown> {
    return this.#run(scripts.submit, jobId);
  }

  async claim(): Promise<readonly string[]> {
    const found = (await this.#run(scripts.claim, '')) as readonly string[];
    return found.flatMap((text, i) => (i % 2 === 0 ? [(JSON.parse(text) as JobRecord).jobId] : []));
  }

  async end(jobId: string): Promise<void> {
    await this.#run(scripts.dispatched, jobId);
    await this.#run(scripts.finish, jobId);
  }

  async close(): Promise<void> {
    this.#redis.disconnect();
  }

  #run({ name, sha }: RedisScript, jobId: string): Promise<unknown> {
    const run = this.#runs.get(name);
    if (!run) throw new Error(`no ${name} was recorded`);
    const args = run.args.map((arg) => (typeof arg === 'string' ? arg.replaceAll(idMark, jobId) : arg));
    return this.#redis.evalsha(sha, run.keys.length, ...run.keys, ...args);
  }
}
