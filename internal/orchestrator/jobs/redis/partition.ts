// One partition of the store: runs its scripts with what each of them needs to know, and turns what Redis says into what
// the store says.
import type { ReplyForm } from '../../redis/connection.ts';
import type { RedisCommands } from '../../redis/redis-client.ts';
import { RedisError } from '../../redis/redis-error.ts';
import type { RedisScript } from '../../redis/redis-script.ts';
import type { JobRecord } from '../job.ts';
import { type JobSettings, jobLimits } from '../job-limits.ts';
import { StoreFault } from '../job-store.ts';
import { toRecord } from '../ledger/record.ts';
import type { StoredJob } from '../ledger/shelf.ts';
import { partitionTag } from './keys.ts';

/** Hints that followers may be behind by; older ones are dropped. */
const maxChanges = 10_000;

export interface PartitionOptions {
  readonly redis: RedisCommands;
  readonly prefix: string;
  readonly settings: JobSettings;
  /** Unix milliseconds in place of the server's own, for tests. */
  readonly now?: (() => number) | undefined;
}

export class Partition {
  readonly tag: string;
  readonly #redis: RedisCommands;
  readonly #settings: object;
  readonly #now: (() => number) | undefined;

  constructor({ redis, prefix, settings, now }: PartitionOptions, number: number) {
    this.tag = partitionTag(prefix, number);
    this.#redis = redis;
    const { maxSwept, maxTakenBackTold } = jobLimits;
    this.#settings = { ...settings, maxSwept, maxTakenBackTold, maxChanges };
    this.#now = now;
  }

  /** `ask` is what the script's header calls ARGV[2], without the settings; `bytes` are ARGV[3] and on. */
  async run(
    script: RedisScript,
    ask: object,
    bytes: readonly Uint8Array[] = [],
    form: ReplyForm = 'text',
  ): Promise<unknown> {
    const asked = JSON.stringify({ ...ask, ...this.#settings });
    const args = [String(this.#now?.() ?? ''), asked, ...bytes.map(toBuffer)];
    return await this.#redis.run(script, [this.tag], args, form).catch(refuse);
  }

  /** A script that answers with a JSON text. */
  async ask<T>(script: RedisScript, ask: object, bytes: readonly Uint8Array[] = []): Promise<T> {
    return JSON.parse(String(await this.run(script, ask, bytes)));
  }

  async call(command: string, args: readonly (string | number | Buffer)[], form: ReplyForm = 'text'): Promise<unknown> {
    return await this.#redis.call(command, args, form).catch(refuse);
  }
}

/** Lua's JSON has one empty table, which it writes as an object. */
export function recordOf(job: StoredJob): JobRecord {
  if (!Array.isArray(job.attempts)) job.attempts = [];
  return toRecord(job);
}

export function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function refuse(error: unknown): never {
  if (!(error instanceof RedisError)) throw error;
  const full = error.code === 'REFUSED' && error.message.startsWith('OOM');
  throw new StoreFault(full ? 'STORE_FULL' : 'STORE_UNAVAILABLE', error.message, error);
}
