// A dispatcher for tests: a fleet in memory, links with written fates, a clock that stands still.
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import type { JobFailure } from '../failure/failures.ts';
import type { Code } from '../failure/table.ts';
import { FleetView } from '../registry/fleet-view.ts';
import type { LiveExit } from '../registry/live-exit.ts';
import { exitOffer } from '../registry/registry-suite.ts';
import { anyTarget } from '../route/candidate.ts';
import { Dispatcher } from './dispatcher.ts';
import { FakeLinks, type Fate } from './fake-links.ts';
import type { Job } from './job.ts';

export function job(given: Partial<Job> = {}, request: Partial<Job['request']> = {}): Job {
  return {
    id: 'job-1',
    tenant: 'acme',
    target: anyTarget,
    idempotent: true,
    receivedAt: 0,
    deadlineAt: 30_000,
    retry: { maxAttempts: 3, initialBackoffMs: 100, maxBackoffMs: 2_000 },
    traceparent: '',
    ...given,
    request: {
      method: 'GET',
      url: 'http://origin.test/',
      headers: [],
      body: new Uint8Array(),
      maxRedirects: 10,
      decompress: false,
      maxResponseBytes: 0,
      ...request,
    },
  };
}

/** The fates of the attempts to come, and agents `a`, `b`, `c`... with one exit each. */
export function dispatching(fates: readonly Fate[], agents = 4) {
  const clock = new ManualClock();
  const fleet = new FleetView();
  const links = new FakeLinks(...fates);
  const exits: LiveExit[] = [];
  for (let i = 0; i < agents; i++) {
    const exit = exitOffer({ agentId: `${String.fromCharCode(97 + i)}/default` });
    exits.push(exit);
    fleet.add(exit);
  }
  const ended: (Code | 'OK')[] = [];
  const observer = { finished: (code: Code | 'OK') => void ended.push(code) };
  // Backoffs without jitter.
  const random = () => 0.5;
  const bounds = { maxWholeBodyBytes: 64, maxPieceBytes: 8 };
  const dispatcher = new Dispatcher({ fleet, links, clock, random, observer, ...bounds });
  /** Moves time forward once everything that is ready has run, so that no timer is set late. */
  const pass = async (ms: number) => {
    await settle();
    await clock.advance(ms);
  };
  return { dispatcher, links, clock, pass, fleet, exits, ended };
}

export type Settled<T> = { readonly answer: T } | { readonly failure: JobFailure };

/** Keeps a promise that may fail before a test looks at it. */
export function kept<T>(promise: Promise<T>): Promise<Settled<T>> {
  return promise.then(
    (answer) => ({ answer }),
    (failure: JobFailure) => ({ failure }),
  );
}
