// Continuous load: every caller asks for one job after the other, seeded job by job, until it is told to stop; what it
// asks and how it ends goes to the recorder.
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Origin } from '../harness/origin.ts';
import { randomOf } from '../harness/run.ts';
import type { SeededRandom } from '../harness/seeded-random.ts';
import { until } from '../harness/waiting.ts';
import type { Caller, Job } from './callers.ts';
import type { Door } from './history.ts';
import type { Recorder } from './recorder.ts';

export interface LoadOptions {
  readonly callers: readonly Caller[];
  readonly origin: Origin;
  readonly recorder: Recorder;
  /** How long a held stream lasts, at most. */
  readonly longestStreamMs: number;
}

const mostLateMs = 100;
const mostBodyBytes = 4_096;
/** /drip/N sends a byte so often. */
const dripMs = 20;
/** After a failure a caller waits as a patient one would, before its next job. */
const afterFailureMs = 100;

export class Load {
  readonly #options: LoadOptions;
  readonly #work: Promise<unknown>;
  #ended = 0;
  #stopping = false;

  private constructor(options: LoadOptions) {
    this.#options = options;
    this.#work = Promise.all(options.callers.map((caller, i) => this.#keepAsking(caller, `${caller.door}${i}`)));
  }

  static start(options: LoadOptions): Load {
    return new Load(options);
  }

  /** Jobs that are over. */
  get ended(): number {
    return this.#ended;
  }

  async waitForEnded(count: number, boundMs: number): Promise<void> {
    await until(`${count} jobs have ended`, () => this.#ended >= count, boundMs);
  }

  /** What has begun ends; nothing new begins. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#work;
    await Promise.all(this.#options.callers.map((caller) => caller.close()));
  }

  async #keepAsking(caller: Caller, name: string): Promise<void> {
    const { recorder, origin, longestStreamMs } = this.#options;
    for (let i = 0; !this.#stopping; i++) {
      const random = randomOf(name, i);
      const { door, via } = caller;
      const job =
        door === 'stream'
          ? dripJob(`${name}-${i}`, random, origin, longestStreamMs)
          : lateJob(`${name}-${i}`, random, origin);
      recorder.add({
        kind: 'asked',
        job: job.id,
        door,
        via,
        idempotent: job.method === 'GET',
        sha256: expected(door, job),
      });
      const outcome = await caller.run(job);
      recorder.add({ kind: 'ended', job: job.id, outcome });
      this.#ended++;
      if (outcome.result !== 'succeeded') await pause(afterFailureMs);
    }
  }
}

/** Of RunJob: the origin takes a moment, and says what reached it. */
function lateJob(id: string, random: SeededRandom, origin: Origin): Job {
  const url = origin.url(`/late/${random.below(mostLateMs)}`);
  if (random.chance(0.5)) return { id, method: 'GET', url, body: Buffer.alloc(0) };
  return { id, method: 'POST', url, body: random.bytes(1 + random.below(mostBodyBytes)) };
}

/** Of StreamJob: held open while the origin sends a byte now and then. */
function dripJob(id: string, random: SeededRandom, origin: Origin, longestMs: number): Job {
  const drops = 1 + random.below(longestMs / dripMs);
  return { id, method: 'GET', url: origin.url(`/drip/${drops}`), body: Buffer.alloc(0) };
}

/** The digest that a success must show. */
function expected(door: Door, { url, body }: Job): string {
  const bytes = door === 'stream' ? Buffer.alloc(Number(url.split('/').at(-1)), '.') : body;
  return createHash('sha256').update(bytes).digest('hex');
}
