// One job on its way: its attempts on distinct exits within one deadline. Whoever drives it calls send, head and read
// in turn, asks after a failure whether to go on, and ends it in any case.

import { narrowJitterMs } from '../../kit/backoff.ts';
import type { CancelReason, Exchange, ExchangeHead, ExchangeRequest } from '../channel/link.ts';
import { AttemptFailure, type AttemptRecord, JobFailure } from '../failure/failures.ts';
import type { Code, Execution } from '../failure/table.ts';
import { agentIdOf } from '../registry/ids.ts';
import { choose } from '../route/choose.ts';
import type { ExitUsed, Job, JobTimings } from './job.ts';
import { blamesExit, executionOf, jobFailure, mayRepeat, toAttemptFailure } from './outcome.ts';
import { type Interruption, Patience } from './patience.ts';
import type { ScheduledExit, Shared } from './shared.ts';

/** How a job succeeded. */
export interface Success {
  readonly exit: ExitUsed;
  readonly attempts: readonly AttemptRecord[];
  readonly timings: JobTimings;
  readonly bodyBytes: number;
}

/** The exit of an attempt. */
interface AttemptExit extends ExitUsed {
  recordAttempt(good: boolean): void;
}

interface Attempt {
  readonly startedAt: number;
  exit: AttemptExit | undefined;
  exchange: Exchange | undefined;
  /** As far as is known by now. */
  execution: Execution;
  bodyBytes: number;
}

/** Why another attempt follows, and on which exit the last one failed. */
export interface Retry {
  readonly exit: ExitUsed;
  readonly code: Code;
}

const noneTried: readonly string[] = [];
const noExit: ExitUsed = { exitId: '', agentId: '', country: '', region: '', city: '', asn: 0 };

export class JobRun {
  readonly #job: Job;
  readonly #maxBodyBytes: number;
  readonly #shared: Shared;
  readonly #patience: Patience;
  readonly #attempts: AttemptRecord[] = [];
  readonly #tried: AttemptExit[] = [];
  #attempt: Attempt | undefined;
  #interruption: AttemptFailure | undefined;
  /** The last failure of an attempt that reached an exit: it tells more than that there was no further exit. */
  #exitFailure: AttemptFailure | undefined;
  #pauseMs = 0;
  #ended = false;

  constructor(job: Job, signal: AbortSignal, maxBodyBytes: number, shared: Shared) {
    this.#job = job;
    this.#maxBodyBytes = maxBodyBytes;
    this.#shared = shared;
    this.#patience = new Patience(shared.clock, job.deadlineAt, signal, (interruption) =>
      this.#interrupt(interruption),
    );
  }

  begin(): void {
    this.#patience.begin();
  }

  /** Leaves the job at any time; what is still open is cancelled. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#patience.end();
    if (this.#attempt) this.#close(this.#attempt, new AttemptFailure('CANCELLED', this.#attempt.execution));
    this.#shared.jobEnded();
  }

  /** The number of the attempt under way, counted from 1. */
  get attempt(): number {
    return this.#attempts.length + 1;
  }

  /** Where the attempt under way was sent; all empty before an exit is chosen. */
  get exit(): ExitUsed {
    return exitUsed(this.#attempt?.exit);
  }

  /** Begins an attempt: chooses an exit and sends the job to it. */
  send(): void {
    if (this.#interruption) throw this.#interruption;
    const startedAt = this.#shared.clock.now();
    const attempt: Attempt = {
      startedAt,
      exit: undefined,
      exchange: undefined,
      execution: 'NOT_STARTED',
      bodyBytes: 0,
    };
    this.#attempt = attempt;
    const exit = this.#choose();
    attempt.exit = exit;
    const request = this.#request(exit.exitId, startedAt);
    this.#tried.push(exit);
    const link = this.#shared.links.linkTo(exit.exitId);
    if (!link) throw new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED');
    attempt.execution = 'POSSIBLE';
    attempt.exchange = link.open(request);
  }

  async head(): Promise<ExchangeHead> {
    const head = await this.#patience.wait(this.#underWay().exchange.head);
    const attempt = this.#underWay();
    attempt.execution = 'DONE';
    if (head.exitId) this.#moved(attempt, head.exitId);
    this.#count(attempt, head.body);
    return head;
  }

  /** The next bytes of the answer after those in its head, undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    const bytes = await this.#patience.wait(this.#underWay().exchange.read());
    const attempt = this.#underWay();
    if (bytes) this.#count(attempt, bytes);
    return bytes;
  }

  /** The answer is whole. */
  finish({ timings }: ExchangeHead): Success {
    const attempt = this.#underWay();
    const { exit } = this;
    attempt.exit?.recordAttempt(true);
    this.#record(attempt, undefined, 'DONE');
    this.end();
    const totalUs = Math.round((this.#shared.clock.now() - this.#job.receivedAt) * 1_000);
    const { dnsUs, connectUs, tlsUs, firstByteUs } = timings;
    return {
      exit,
      attempts: this.#attempts,
      timings: { dnsUs, connectUs, tlsUs, firstByteUs, totalUs },
      bodyBytes: attempt.bodyBytes,
    };
  }

  /** Ends a failed attempt: says what failed when another may follow, and throws the JobFailure when none may. */
  failed(error: unknown): Retry {
    const attempt = this.#attempt;
    const failure = this.#failure(error);
    const exit = attempt?.exit;
    if (!this.#mayFollow(failure, exit !== undefined)) throw this.#conclusion(failure);
    return { exit: exitUsed(exit), code: failure.code };
  }

  /** Waits before the next attempt. */
  pause(): Promise<void> {
    return this.#patience.pause(this.#pauseMs);
  }

  /** What the caller gets when the job ends with the error. */
  concluded(error: unknown): JobFailure {
    return error instanceof JobFailure ? error : this.#conclusion(this.#failure(error));
  }

  #choose(): ScheduledExit {
    const { fleet, random } = this.#shared;
    const { target, tenant } = this.#job;
    const choice = choose({ target, tenant, fleet, exclude: this.#tried, random });
    if (choice.kind === 'chosen') return choice.candidate;
    throw new AttemptFailure(choice.code, 'NOT_STARTED', { detail: choice.detail });
  }

  #request(exitId: string, now: number): ExchangeRequest {
    const { id: jobId, tenant, target, request, idempotent, deadlineAt, traceparent } = this.#job;
    const { attempt } = this;
    const tried = this.#tried.length === 0 ? noneTried : this.#tried.map((exit) => exit.exitId);
    const deadlineMs = Math.ceil(deadlineAt - now);
    return { exitId, jobId, attempt, tenant, target, tried, request, idempotent, deadlineMs, traceparent };
  }

  /** The pod of the exit put another of its own in its place: that one gets the credit or the blame. */
  #moved(attempt: Attempt, exitId: string): void {
    const exit = this.#shared.fleet.byId(exitId) ?? strangeExit(exitId);
    attempt.exit = exit;
    this.#tried.push(exit);
  }

  #count(attempt: Attempt, bytes: Uint8Array): void {
    attempt.bodyBytes += bytes.length;
    if (attempt.bodyBytes > this.#maxBodyBytes) throw new AttemptFailure('RESPONSE_TOO_LARGE', 'DONE');
  }

  /** An interruption may come between any two steps. */
  #underWay(): Attempt & { exchange: Exchange } {
    const attempt = this.#attempt;
    if (attempt?.exchange) return attempt as Attempt & { exchange: Exchange };
    throw this.#interruption ?? new Error('the job was not sent');
  }

  #failure(error: unknown): AttemptFailure {
    if (this.#interruption) return this.#interruption;
    const attempt = this.#attempt;
    const failure = toAttemptFailure(error, attempt?.execution ?? 'NOT_STARTED');
    if (attempt) this.#close(attempt, failure);
    return failure;
  }

  #interrupt(interruption: Interruption): Error {
    const attempt = this.#attempt;
    this.#interruption = new AttemptFailure(interruption, attempt?.execution ?? 'NOT_STARTED');
    if (attempt) this.#close(attempt, this.#interruption, interruption === 'CANCELLED' ? 'cancelled' : 'deadline');
    this.end();
    return this.#interruption;
  }

  #close(attempt: Attempt, failure: AttemptFailure, reason: CancelReason = 'cancelled'): void {
    if (attempt.exit) {
      this.#exitFailure = failure;
      if (failure.exitId) this.#moved(attempt, failure.exitId);
      if (blamesExit(failure.code)) attempt.exit.recordAttempt(false);
    }
    this.#record(attempt, failure.code, executionOf(failure));
    attempt.exchange?.cancel(reason);
  }

  #record({ startedAt, exit }: Attempt, code: Code | undefined, execution: Execution): void {
    this.#attempt = undefined;
    const durationMs = this.#shared.clock.now() - startedAt;
    this.#attempts.push({ exitId: exit?.exitId ?? '', code, execution, durationMs });
    this.#shared.observer.finished(code ?? 'OK');
  }

  #mayFollow(failure: AttemptFailure, onExit: boolean): boolean {
    const { idempotent, retry, deadlineAt } = this.#job;
    const { clock, random, budget } = this.#shared;
    const attempts = this.#attempts.length;
    if (attempts >= retry.maxAttempts || !mayRepeat(failure, idempotent)) return false;
    this.#pauseMs = narrowJitterMs(attempts - 1, retry.initialBackoffMs, retry.maxBackoffMs, random);
    if (clock.now() + this.#pauseMs >= deadlineAt) return false;
    // Looking for an exit again burdens no exit.
    return !onExit || budget.spend();
  }

  #conclusion(failure: AttemptFailure): JobFailure {
    return jobFailure(this.#job, this.#interruption ?? this.#exitFailure ?? failure, this.#attempts);
  }
}

function exitUsed(exit: AttemptExit | undefined): ExitUsed {
  if (!exit) return noExit;
  const { exitId, agentId, country, region, city, asn } = exit;
  return { exitId, agentId, country, region, city, asn };
}

/** An exit of another pod that this one does not know yet: it can be named, and nothing else. */
function strangeExit(exitId: string): AttemptExit {
  return { ...noExit, exitId, agentId: agentIdOf(exitId), recordAttempt: () => {} };
}
