import { expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { JobFailure } from '../failure/failures.ts';
import { Admission } from './admission.ts';
import { type Caller, type CallerLimits, freshLoad, unlimited } from './auth/caller.ts';

function caller(limits: Partial<CallerLimits> = {}): Caller {
  return { name: 'a', tenant: 'acme', scopes: new Set(), limits: { ...unlimited, ...limits }, load: freshLoad() };
}

function refusal(enter: () => void): JobFailure {
  try {
    enter();
  } catch (error) {
    if (error instanceof JobFailure) return error;
  }
  throw new Error('nothing was refused');
}

test('a caller has at most its calls in flight, and room again when one leaves', () => {
  const admission = new Admission({ clock: new ManualClock(), maxInFlight: 10 });
  const limited = caller({ maxInFlight: 2 });
  admission.enter(limited, false);
  admission.enter(limited, false);
  expect(refusal(() => admission.enter(limited, false))).toMatchObject({ code: 'QUOTA_EXCEEDED', retryable: true });
  admission.enter(caller(), false);
  admission.leave(limited);
  admission.enter(limited, false);
  expect(admission.inFlight).toBe(3);
});

test('the pod has a bound for all callers together', () => {
  const admission = new Admission({ clock: new ManualClock(), maxInFlight: 1 });
  admission.enter(caller(), true);
  expect(refusal(() => admission.enter(caller(), true)).code).toBe('OVERLOADED');
});

test('jobs come at their rate, after a burst of one second; other calls do not count', async () => {
  const clock = new ManualClock();
  const admission = new Admission({ clock, maxInFlight: 100 });
  const limited = caller({ jobsPerSecond: 4 });
  for (let i = 0; i < 4; i++) admission.enter(limited, true);
  const refused = refusal(() => admission.enter(limited, true));
  expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 250 });
  admission.enter(limited, false);
  await clock.advance(250);
  admission.enter(limited, true);
  expect(refusal(() => admission.enter(limited, true)).code).toBe('RATE_LIMITED');
  await clock.advance(60_000);
  for (let i = 0; i < 4; i++) admission.enter(limited, true);
  expect(refusal(() => admission.enter(limited, true)).code).toBe('RATE_LIMITED');
});

test('less than one job a second is a rate too', async () => {
  const clock = new ManualClock();
  const admission = new Admission({ clock, maxInFlight: 100 });
  const limited = caller({ jobsPerSecond: 0.1 });
  admission.enter(limited, true);
  expect(refusal(() => admission.enter(limited, true)).retryAfterMs).toBe(10_000);
  await clock.advance(10_000);
  admission.enter(limited, true);
});

test('what is refused takes no room', () => {
  const admission = new Admission({ clock: new ManualClock(), maxInFlight: 10 });
  const limited = caller({ jobsPerSecond: 1 });
  admission.enter(limited, true);
  refusal(() => admission.enter(limited, true));
  expect([admission.inFlight, limited.load.inFlight]).toEqual([1, 1]);
});

test('a pod that goes away takes nothing new', () => {
  const admission = new Admission({ clock: new ManualClock(), maxInFlight: 10 });
  admission.drain();
  expect(refusal(() => admission.enter(caller(), false)).code).toBe('DRAINING');
});

test('of a limit that pods share, each gives out its part, and at least one call', async () => {
  const clock = new ManualClock();
  let share = 0.5;
  const admission = new Admission({ clock, maxInFlight: 100, shares: { fractionOf: () => share } });
  const limited = caller({ maxInFlight: 4, jobsPerSecond: 4 });
  admission.enter(limited, true);
  admission.enter(limited, true);
  expect(refusal(() => admission.enter(limited, false)).code).toBe('QUOTA_EXCEEDED');
  admission.leave(limited);
  expect(refusal(() => admission.enter(limited, true))).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 500 });
  admission.leave(limited);
  share = 0.01;
  await clock.advance(60_000);
  admission.enter(limited, true);
  expect(refusal(() => admission.enter(limited, true)).code).toBe('QUOTA_EXCEEDED');
});

test('nobody asks for the share of a caller without limits', () => {
  const shares = {
    fractionOf: () => {
      throw new Error('asked');
    },
  };
  const admission = new Admission({ clock: new ManualClock(), maxInFlight: 1, shares });
  admission.enter(caller(), true);
  expect(admission.inFlight).toBe(1);
});
