// Reads what happened in the partitions, for those who want to hear of it. What is missed while Redis is away stays
// missed: these are hints.
import { type Clock, sleep } from '../../../kit/clock.ts';
import type { RedisCommands } from '../../redis/redis-client.ts';
import type { Followers } from '../followers.ts';
import type { JobState } from '../job.ts';
import { changesKey } from './keys.ts';

const blockMs = 4_000;
/** Streams of several partitions cannot be waited for in one command on a Cluster. */
const pollMs = 100;
const pauseAfterFaultMs = 500;
const maxRead = 1_000;

type Entry = readonly [id: string, fields: readonly string[]];

export class ChangeFollower {
  readonly #redis: RedisCommands;
  readonly #tags: readonly string[];
  readonly #followers: Followers;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  /** The last entry that was read of each partition. */
  readonly #read = new Map<string, string>();
  #started = false;

  constructor(redis: RedisCommands, tags: readonly string[], followers: Followers, clock: Clock) {
    this.#redis = redis;
    this.#tags = tags;
    this.#followers = followers;
    this.#clock = clock;
  }

  /** Once is enough. */
  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#follow().catch(() => {});
  }

  /** A read that waits is ended by closing its client. */
  stop(): void {
    this.#stop.abort();
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for (const tag of this.#tags) await this.#readFrom(tag);
        if (this.#tags.length > 1) await sleep(this.#clock, pollMs, signal);
      } catch {
        await sleep(this.#clock, pauseAfterFaultMs, signal);
      }
    }
  }

  async #readFrom(tag: string): Promise<void> {
    const key = changesKey(tag);
    const last = this.#read.get(tag) ?? (await this.#newest(key));
    this.#read.set(tag, last);
    const wait = this.#tags.length > 1 ? [] : ['BLOCK', blockMs];
    const streams = await this.#redis.call('XREAD', ['COUNT', maxRead, ...wait, 'STREAMS', key, last]);
    for (const [id, fields] of entriesOf(streams)) {
      this.#read.set(tag, id);
      this.#tell(fields);
    }
  }

  async #newest(key: string): Promise<string> {
    const entries = (await this.#redis.call('XREVRANGE', [key, '+', '-', 'COUNT', 1])) as readonly Entry[];
    return entries[0]?.[0] ?? '0';
  }

  #tell([, ref = '', , state]: readonly string[]): void {
    const [tenant = '', jobId = ''] = ref.split('/');
    if (!this.#stop.signal.aborted) this.#followers.tell({ tenant, jobId, state: state as JobState });
  }
}

function entriesOf(streams: unknown): readonly Entry[] {
  return (streams as readonly (readonly [string, readonly Entry[]])[] | null)?.[0]?.[1] ?? [];
}
