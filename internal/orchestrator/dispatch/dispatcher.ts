// Runs jobs: sends each to an exit, elsewhere when that fails and may be repeated, and gives back the answer whole or
// as it arrives. Counts what is in flight, so that a pod can stop without losing any.
import type { ExchangeHead } from '../channel/link.ts';
import { JobFailure } from '../failure/failures.ts';
import type { Job, JobAnswer, JobEvent, JobRunner } from './job.ts';
import { JobRun } from './job-run.ts';
import { RetryBudget } from './retry-budget.ts';
import type { DispatchMeans, Shared } from './shared.ts';

export interface DispatcherOptions extends DispatchMeans {
  /** The most body bytes of an answer that is given whole. */
  readonly maxWholeBodyBytes: number;
  /** The most body bytes of one event. */
  readonly maxPieceBytes: number;
}

export class Dispatcher implements JobRunner {
  readonly #options: DispatcherOptions;
  readonly #shared: Shared;
  #inFlight = 0;
  #draining = false;
  readonly #drained = Promise.withResolvers<void>();

  constructor(options: DispatcherOptions) {
    const { fleet, links, clock, random, observer } = options;
    this.#options = options;
    const jobEnded = () => this.#jobEnded();
    this.#shared = { fleet, links, clock, random, observer, budget: new RetryBudget(clock), jobEnded };
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Refuses new jobs from now on; resolves when none is in flight. */
  drain(): Promise<void> {
    this.#draining = true;
    if (this.#inFlight === 0) this.#drained.resolve();
    return this.#drained.promise;
  }

  async run(job: Job, signal: AbortSignal): Promise<JobAnswer> {
    const run = this.#begin(job, signal, Math.min(bodyBound(job), this.#options.maxWholeBodyBytes));
    try {
      return await wholeAnswer(run);
    } catch (error) {
      throw run.concluded(error);
    } finally {
      run.end();
    }
  }

  async *stream(job: Job, signal: AbortSignal): AsyncGenerator<JobEvent, void, undefined> {
    const run = this.#begin(job, signal, bodyBound(job));
    try {
      const head = yield* untilAnswered(run);
      yield { type: 'head', statusCode: head.statusCode, headers: head.headers, finalUrl: head.finalUrl };
      yield* bodyEvents(run, head, this.#options.maxPieceBytes);
      const { exit, attempts, timings, bodyBytes } = run.finish(head);
      yield { type: 'summary', exit, attempts, timings, bodyBytes };
    } catch (error) {
      throw run.concluded(error);
    } finally {
      run.end();
    }
  }

  #begin(job: Job, signal: AbortSignal, maxBodyBytes: number): JobRun {
    if (this.#draining) throw new JobFailure('DRAINING', { jobId: job.id });
    const run = new JobRun(job, signal, maxBodyBytes, this.#shared);
    this.#shared.budget.jobBegan();
    this.#inFlight++;
    run.begin();
    return run;
  }

  #jobEnded(): void {
    this.#inFlight--;
    if (this.#draining && this.#inFlight === 0) this.#drained.resolve();
  }
}

function bodyBound({ request }: Job): number {
  return request.maxResponseBytes || Number.POSITIVE_INFINITY;
}

async function wholeAnswer(run: JobRun): Promise<JobAnswer> {
  for (;;) {
    try {
      run.send();
      const head = await run.head();
      const body = head.end ? head.body : await wholeBody(run, head.body);
      const { exit, attempts, timings } = run.finish(head);
      const { statusCode, headers, finalUrl } = head;
      return { statusCode, headers, body, finalUrl, exit, attempts, timings };
    } catch (error) {
      run.failed(error);
      await run.pause();
    }
  }
}

async function wholeBody(run: JobRun, first: Uint8Array): Promise<Uint8Array> {
  const pieces = first.length > 0 ? [first] : [];
  for (let piece = await run.read(); piece; piece = await run.read()) pieces.push(piece);
  return pieces.length === 1 && pieces[0] ? pieces[0] : Buffer.concat(pieces);
}

async function* untilAnswered(run: JobRun): AsyncGenerator<JobEvent, ExchangeHead, undefined> {
  for (;;) {
    const { attempt } = run;
    try {
      run.send();
      const head = run.head();
      // It may fail while the caller takes its time over the event.
      head.catch(() => {});
      yield { type: 'dispatched', attempt, exit: run.exit };
      return await head;
    } catch (error) {
      yield { type: 'retrying', attempt, ...run.failed(error) };
      await run.pause();
    }
  }
}

async function* bodyEvents(run: JobRun, head: ExchangeHead, maxPieceBytes: number): AsyncGenerator<JobEvent> {
  let bytes: Uint8Array | undefined = head.body;
  while (bytes) {
    for (let at = 0; at < bytes.length; at += maxPieceBytes) {
      yield { type: 'body', bytes: bytes.subarray(at, at + maxPieceBytes) };
    }
    bytes = head.end ? undefined : await run.read();
  }
}
