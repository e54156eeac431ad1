// What the jobs of one dispatcher share: the fleet, the ways to its exits, time, and who counts.
import type { Clock, Random } from '../../kit/clock.ts';
import type { LinkDirectory } from '../channel/link.ts';
import type { Code } from '../failure/table.ts';
import type { Candidate, Fleet } from '../route/candidate.ts';
import type { RetryBudget } from './retry-budget.ts';

/** An exit that is told how attempts on it went. */
export interface ScheduledExit extends Candidate {
  /** `good` is false only when the exit is to blame. */
  recordAttempt(good: boolean): void;
}

/** What dispatch tells of attempts, for metrics: on the path of every job, and so it must be cheap. */
export interface AttemptObserver {
  finished(code: Code | 'OK'): void;
}

export interface DispatchMeans {
  readonly fleet: Fleet<ScheduledExit>;
  readonly links: LinkDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly observer: AttemptObserver;
}

export interface Shared extends DispatchMeans {
  readonly budget: RetryBudget;
  /** Called once per job. */
  readonly jobEnded: () => void;
}
