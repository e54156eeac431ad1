// Who may start a call now. Each caller has its own bounds, the pod has one for all, and a pod that goes away takes
// nothing new. Entering and leaving are synchronous, so that a bound is never passed by two that look at once.
import type { Clock } from '../../kit/clock.ts';
import { JobFailure } from '../failure/failures.ts';
import type { Caller } from './auth/caller.ts';

export interface AdmissionOptions {
  readonly clock: Clock;
  /** Calls of all callers at once. */
  readonly maxInFlight: number;
}

export class Admission {
  readonly #clock: Clock;
  readonly #maxInFlight: number;
  #inFlight = 0;
  #draining = false;

  constructor({ clock, maxInFlight }: AdmissionOptions) {
    this.#clock = clock;
    this.#maxInFlight = maxInFlight;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** From now on nothing new is taken. */
  drain(): void {
    this.#draining = true;
  }

  /** Counts the call in, or throws a JobFailure. Whoever entered leaves exactly once. */
  enter(caller: Caller, isJob: boolean): void {
    if (this.#draining) throw new JobFailure('DRAINING');
    if (this.#inFlight >= this.#maxInFlight) throw new JobFailure('OVERLOADED');
    if (caller.load.inFlight >= caller.limits.maxInFlight) throw tooManyAtOnce(caller.limits.maxInFlight);
    if (isJob) this.#takeToken(caller);
    this.#inFlight++;
    caller.load.inFlight++;
  }

  leave(caller: Caller): void {
    this.#inFlight--;
    caller.load.inFlight--;
  }

  #takeToken({ limits: { jobsPerSecond }, load }: Caller): void {
    if (jobsPerSecond === Number.POSITIVE_INFINITY) return;
    const now = this.#clock.now();
    const refill = ((now - load.refilledAt) / 1000) * jobsPerSecond;
    load.tokens = Math.min(Math.max(1, jobsPerSecond), load.tokens + refill);
    load.refilledAt = now;
    if (load.tokens < 1) throw tooOften(jobsPerSecond, ((1 - load.tokens) / jobsPerSecond) * 1000);
    load.tokens--;
  }
}

/** Jobs that a call brought besides the one that it was let in for: the calls after it wait for them. */
export function chargeJobs({ limits: { jobsPerSecond }, load }: Pick<Caller, 'limits' | 'load'>, jobs: number): void {
  if (jobsPerSecond !== Number.POSITIVE_INFINITY) load.tokens -= jobs;
}

function tooManyAtOnce(maxInFlight: number): JobFailure {
  return new JobFailure('QUOTA_EXCEEDED', { detail: `The caller has ${maxInFlight} calls in flight, its limit.` });
}

function tooOften(jobsPerSecond: number, retryAfterMs: number): JobFailure {
  return new JobFailure('RATE_LIMITED', {
    detail: `The caller sends more than ${jobsPerSecond} jobs a second, its limit.`,
    retryAfterMs: Math.ceil(retryAfterMs),
  });
}
