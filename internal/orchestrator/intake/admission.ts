// Who may start a call now. Each caller has its own bounds, the pod has one for all, and a pod that goes away takes
// nothing new. Entering and leaving are synchronous, so that a bound is never passed by two that look at once. A caller's
// bounds are those of the whole fleet: this pod gives out the part of them that is its own now.
import type { Clock } from '../../kit/clock.ts';
import { JobFailure } from '../failure/failures.ts';
import { alone, type Shares } from '../limits/shares.ts';
import type { Caller } from './auth/caller.ts';
import { takeToken } from './token-bucket.ts';

export interface AdmissionOptions {
  readonly clock: Clock;
  /** Without it this pod is the fleet. */
  readonly shares?: Shares;
  /** Calls of all callers at once. */
  readonly maxInFlight: number;
}

export class Admission {
  readonly #clock: Clock;
  readonly #shares: Shares;
  readonly #maxInFlight: number;
  #inFlight = 0;
  #draining = false;

  constructor({ clock, shares = alone, maxInFlight }: AdmissionOptions) {
    this.#clock = clock;
    this.#shares = shares;
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
    const share = isLimited(caller) ? this.#shares.fractionOf(caller) : 1;
    const { maxInFlight, jobsPerSecond } = caller.limits;
    // A part smaller than one call is one call: a fleet of more pods than the limit would else take none.
    if (caller.load.inFlight >= Math.max(1, Math.floor(maxInFlight * share))) throw tooManyAtOnce(maxInFlight);
    if (isJob) this.#takeToken(caller, jobsPerSecond * share);
    this.#inFlight++;
    caller.load.inFlight++;
  }

  leave(caller: Caller): void {
    this.#inFlight--;
    caller.load.inFlight--;
  }

  #takeToken({ limits: { jobsPerSecond }, load }: Caller, rate: number): void {
    if (jobsPerSecond === Number.POSITIVE_INFINITY) return;
    const waitMs = takeToken(load, rate, this.#clock.now());
    if (waitMs > 0) throw tooOften(jobsPerSecond, waitMs);
  }
}

/** Jobs that a call brought besides the one that it was let in for: the calls after it wait for them. */
export function chargeJobs({ limits: { jobsPerSecond }, load }: Pick<Caller, 'limits' | 'load'>, jobs: number): void {
  if (jobsPerSecond !== Number.POSITIVE_INFINITY) load.tokens -= jobs;
}

function isLimited({ limits }: Caller): boolean {
  return limits.maxInFlight !== Number.POSITIVE_INFINITY || limits.jobsPerSecond !== Number.POSITIVE_INFINITY;
}

function tooManyAtOnce(maxInFlight: number): JobFailure {
  return new JobFailure('QUOTA_EXCEEDED', { detail: `The caller has ${maxInFlight} calls in flight, its limit.` });
}

function tooOften(jobsPerSecond: number, retryAfterMs: number): JobFailure {
  return new JobFailure('RATE_LIMITED', {
    detail: `The caller sends more than ${jobsPerSecond} jobs a second, its limit.`,
    retryAfterMs,
  });
}
