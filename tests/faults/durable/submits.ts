// A steady stream of durable jobs, seeded job by job: reads and writes, for any exit and for one, with and without a key.
// What is not acknowledged is said again only under its key. What was handed over and taken goes to the recorder.
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Origin } from '../../harness/origin.ts';
import { randomOf } from '../../harness/run.ts';
import type { SeededRandom } from '../../harness/seeded-random.ts';
import { until } from '../../harness/waiting.ts';
import type { Recorder } from '../recorder.ts';
import type { DurableJob, Submission, Submitter } from './submitters.ts';

export interface SubmitsOptions {
  readonly submitters: readonly Submitter[];
  readonly origin: Origin;
  readonly recorder: Recorder;
  readonly exitIds: readonly string[];
  readonly callbackUrl: string;
}

const mostLateMs = 1_000;
const mostBodyBytes = 4_096;
/** Between two submits of one caller. */
const mostPauseMs = 300;
/** A submit that was not acknowledged is said again after this, for so long. */
const againMs = 200;
const insistMs = 60_000;

export class Submits {
  readonly #options: SubmitsOptions;
  readonly #work: Promise<unknown>;
  /** How submits were refused, by code. */
  readonly #refusals = new Map<string, number>();
  #taken = 0;
  #stopping = false;

  private constructor(options: SubmitsOptions) {
    this.#options = options;
    this.#work = Promise.all(options.submitters.map((one, i) => this.#keepSubmitting(one, `${one.door}${i}`)));
  }

  static start(options: SubmitsOptions): Submits {
    return new Submits(options);
  }

  refusals(code: string): number {
    return this.#refusals.get(code) ?? 0;
  }

  async waitForMore(count: number, boundMs: number): Promise<void> {
    const wanted = this.#taken + count;
    await until(`${count} more jobs are taken`, () => this.#taken >= wanted, boundMs);
  }

  /** What is being handed over is still insisted on; nothing new begins. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#work;
    await Promise.all(this.#options.submitters.map((submitter) => submitter.close()));
  }

  async #keepSubmitting(submitter: Submitter, name: string): Promise<void> {
    const { recorder } = this.#options;
    for (let i = 0; !this.#stopping; i++) {
      const random = randomOf(name, i);
      const job = this.#job(`${name}-${i}`, random);
      const sha256 = createHash('sha256').update(job.body).digest('hex');
      const { door } = submitter;
      recorder.add({ kind: 'asked', job: job.id, door, via: 'balancer', idempotent: job.method === 'GET', sha256 });
      const submission = await this.#handOver(submitter, job);
      if (submission.result === 'taken') {
        this.#taken++;
        recorder.add({ kind: 'taken', job: job.id, jobId: submission.jobId });
      } else recorder.add({ kind: 'ended', job: job.id, outcome: submission });
      await pause(random.below(mostPauseMs));
    }
  }

  async #handOver(submitter: Submitter, job: DurableJob): Promise<Submission> {
    const end = performance.now() + insistMs;
    for (;;) {
      const submission = await submitter.submit(job);
      if (submission.result === 'failed') this.#refusals.set(submission.code, this.refusals(submission.code) + 1);
      if (submission.result === 'taken' || job.key === undefined || performance.now() > end) return submission;
      await pause(againMs);
    }
  }

  #job(id: string, random: SeededRandom): DurableJob {
    const { origin, exitIds, callbackUrl } = this.#options;
    const url = origin.url(`/late/${random.below(mostLateMs)}`);
    const [isRead, hasKey, isChoosy] = [random.chance(0.5), random.chance(0.8), random.chance(0.2)];
    const body = isRead ? Buffer.alloc(0) : random.bytes(1 + random.below(mostBodyBytes));
    const exitId = isChoosy ? random.pick(exitIds) : '';
    return { id, method: isRead ? 'GET' : 'POST', url, body, key: hasKey ? id : undefined, exitId, callbackUrl };
  }
}
