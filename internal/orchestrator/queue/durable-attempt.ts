// One attempt of a durable job, from the choice of an exit to what the store is told of its end. The store knows of an
// attempt before the first byte of it leaves; an attempt whose lease is lost tells the store nothing more.

import { narrowJitterMs } from '../../kit/backoff.ts';
import type { Clock, Random } from '../../kit/clock.ts';
import type { Exchange, ExchangeHead, LinkDirectory } from '../channel/link.ts';
import { type Interruption, Patience } from '../dispatch/patience.ts';
import type { ScheduledExit } from '../dispatch/shared.ts';
import { AttemptFailure } from '../failure/failures.ts';
import type { Execution } from '../failure/table.ts';
import { agentIdOf } from '../registry/ids.ts';
import type { Fleet } from '../route/candidate.ts';
import { choose } from '../route/choose.ts';
import { AnswerBody } from './answer-body.ts';
import { type AttemptOutcome, type Ended, outcomeOf } from './attempt-outcome.ts';
import type { HeldJob } from './held-job.ts';
import { encodeMeta } from './job-result.ts';
import type { JobSpec } from './job-spec.ts';
import { parkedName } from './parked-target.ts';
import { queueLimits } from './queue-limits.ts';
import { retryAfterMs } from './retry-after.ts';

export interface AttemptMeans {
  readonly fleet: Fleet<ScheduledExit>;
  readonly links: LinkDirectory;
  readonly clock: Clock;
  readonly random: Random;
}

/** What has become of the attempt so far. */
interface Progress {
  readonly startedAt: number;
  exit: ScheduledExit;
  exchange: Exchange | undefined;
  execution: Execution;
}

export class DurableAttempt {
  readonly #held: HeldJob;
  readonly #spec: JobSpec;
  readonly #means: AttemptMeans;

  constructor(held: HeldJob, spec: JobSpec, means: AttemptMeans) {
    this.#held = held;
    this.#spec = spec;
    this.#means = means;
  }

  /** Resolves with what became of it. */
  async run(): Promise<Ended> {
    const exit = this.#choose();
    if (!exit) return this.#park();
    const marked = await this.#held.record((store, lease) => store.dispatched(lease, exit.exitId));
    if (marked === 'lost') return lost;
    const progress: Progress = {
      startedAt: this.#means.clock.now(),
      exit,
      exchange: undefined,
      execution: 'NOT_STARTED',
    };
    const patience = new Patience(
      this.#means.clock,
      progress.startedAt + this.#spec.timeoutMs,
      this.#held.over,
      (interruption) => this.#interrupted(interruption, progress),
    );
    try {
      patience.begin();
      return await this.#send(progress, patience);
    } catch (error) {
      return await this.#failed(progress, error);
    } finally {
      patience.end();
    }
  }

  #choose(): ScheduledExit | undefined {
    const { fleet, random } = this.#means;
    const { lease, job } = this.#held.claimed;
    const exclude = job.attempts.map(({ exitId }) => ({ exitId, agentId: agentIdOf(exitId) }));
    const question = { target: this.#spec.target, tenant: lease.tenant, fleet, exclude, random };
    const choice = choose(question);
    if (choice.kind === 'chosen') return choice.candidate;
    // Rather the same exit again than none.
    const again = exclude.length > 0 ? choose({ ...question, exclude: [] }) : choice;
    return again.kind === 'chosen' ? again.candidate : undefined;
  }

  async #park(): Promise<Ended> {
    const name = parkedName({ tenant: this.#held.lease.tenant, target: this.#spec.target });
    const parked = await this.#held.record<'full'>((store, lease) => store.park(lease, name));
    if (parked !== 'full') return parked === 'ok' ? { outcome: 'parked', code: 'NO_EXIT_AVAILABLE' } : lost;
    await this.#held.record((store, lease) => store.release(lease, queueLimits.fullParkingMs));
    return { outcome: 'released', code: 'NO_EXIT_AVAILABLE' };
  }

  async #send(progress: Progress, patience: Patience): Promise<Ended> {
    const head = await this.#head(progress, patience);
    const lasts = this.#held.lease.attempt >= this.#held.claimed.job.maxAttempts;
    if (!lasts && this.#spec.retryOnStatus.includes(head.statusCode)) {
      const waitMs = retryAfterMs(head.headers, this.#means.clock.wallMs());
      throw new AttemptFailure('RETRY_ON_STATUS', 'DONE', {
        detail: `The origin answered ${head.statusCode}.`,
        retryAfterMs: waitMs,
      });
    }
    // What follows of the answer matters more than that the store knows of its beginning.
    if (!head.end) void this.#held.record((store, lease) => store.running(lease)).catch(() => {});
    const body = new AnswerBody(this.#held);
    await body.add(head.body);
    for (let end = head.end; !end; ) {
      const bytes = await patience.wait(this.#exchange(progress).read());
      if (bytes) await body.add(bytes);
      else end = true;
    }
    return this.#succeeded(progress, head, body);
  }

  async #head(progress: Progress, patience: Patience): Promise<ExchangeHead> {
    const { exitId } = progress.exit;
    const link = this.#means.links.linkTo(exitId);
    if (!link) throw new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED');
    if (patience.interruption) throw patience.interruption;
    const { lease, job } = this.#held.claimed;
    const { request, target, idempotent, timeoutMs, traceparent } = this.#spec;
    progress.execution = 'POSSIBLE';
    progress.exchange = link.open({
      exitId,
      target,
      tried: job.attempts.map((attempt) => attempt.exitId),
      jobId: lease.jobId,
      attempt: lease.attempt,
      tenant: lease.tenant,
      request,
      idempotent,
      deadlineMs: Math.ceil(timeoutMs),
      traceparent,
    });
    const head = await patience.wait(progress.exchange.head);
    progress.execution = 'DONE';
    if (head.exitId) progress.exit = this.#means.fleet.byId(head.exitId) ?? progress.exit;
    return head;
  }

  /** A job that was cancelled, or is another's, is nobody's to tell of here; else the pod goes away. */
  #interrupted(interruption: Interruption, { execution }: Progress): AttemptFailure {
    const drained = interruption === 'CANCELLED' && !this.#held.lost.aborted;
    return new AttemptFailure(drained ? 'DRAINING' : interruption, execution);
  }

  #exchange({ exchange }: Progress): Exchange {
    if (!exchange) throw new Error('the attempt was not sent');
    return exchange;
  }

  async #succeeded(progress: Progress, head: ExchangeHead, body: AnswerBody): Promise<Ended> {
    const { exit, startedAt } = progress;
    await body.flush();
    exit.recordAttempt(true);
    const { exitId, agentId, country, region, city, asn } = exit;
    const durationMs = this.#means.clock.now() - startedAt;
    const meta = encodeMeta({
      statusCode: head.statusCode,
      headers: head.headers,
      finalUrl: head.finalUrl,
      exit: { exitId, agentId, country, region, city, asn },
      timings: { ...head.timings, totalUs: Math.round(durationMs * 1000) },
    });
    const attempt = { attempt: this.#held.lease.attempt, exitId, failure: null, durationMs };
    const held = await this.#held.record((store, lease) =>
      store.finish(lease, { state: 'SUCCEEDED', attempt, meta, bodyBytes: body.bytes, chunks: body.chunks }),
    );
    return held === 'ok' ? { outcome: 'succeeded', code: 'OK' } : lost;
  }

  async #failed(progress: Progress, error: unknown): Promise<Ended> {
    const outcome = outcomeOf(error, progress.execution, this.#spec.idempotent);
    const { failure } = outcome;
    progress.exchange?.cancel(failure.code === 'DEADLINE_EXCEEDED' ? 'deadline' : 'cancelled');
    if (failure.exitId) progress.exit = this.#means.fleet.byId(failure.exitId) ?? progress.exit;
    if (outcome.blamesExit) progress.exit.recordAttempt(false);
    return this.#tell(progress, outcome);
  }

  async #tell({ exit, startedAt }: Progress, outcome: AttemptOutcome): Promise<Ended> {
    const { clock, random } = this.#means;
    const { lease } = this.#held;
    const known = outcome.known;
    const attempt = {
      attempt: lease.attempt,
      exitId: exit.exitId,
      failure: known,
      durationMs: clock.now() - startedAt,
    };
    const held = await this.#held.record<'ended'>((store) => {
      switch (outcome.next) {
        case 'release':
          return store.release(lease, Math.ceil(random() * queueLimits.releaseMs));
        case 'retry': {
          const { initialBackoffMs, maxBackoffMs } = this.#spec.retry;
          const backoffMs = narrowJitterMs(lease.attempt - 1, initialBackoffMs, maxBackoffMs, random);
          return store.retry(lease, { delayMs: Math.ceil(Math.max(backoffMs, outcome.retryAfterMs)), attempt });
        }
        case 'unknown':
          return store.finish(lease, {
            state: 'OUTCOME_UNKNOWN',
            failure: { ...known, code: 'OUTCOME_UNKNOWN' },
            attempt,
          });
        case 'fail':
          return store.finish(lease, { state: 'FAILED', failure: known, attempt });
      }
    });
    return held === 'lost' ? lost : { outcome: meaning(outcome.next, held), code: known.code };
  }
}

const lost: Ended = { outcome: 'lost', code: 'CANCELLED' };

function meaning(next: AttemptOutcome['next'], held: 'ok' | 'ended'): Ended['outcome'] {
  switch (next) {
    case 'release':
      return 'released';
    case 'retry':
      return held === 'ended' ? 'dead' : 'retried';
    case 'unknown':
      return 'unknown';
    case 'fail':
      return 'failed';
  }
}
