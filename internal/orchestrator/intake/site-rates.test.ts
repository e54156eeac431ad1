import { expect, test } from '@jest/globals';
import { ManualClock } from '../../kit/manual-clock.ts';
import { JobFailure } from '../failure/failures.ts';
import { alone } from '../limits/shares.ts';
import { type Caller, freshLoad, unlimited } from './auth/caller.ts';
import { SiteRates } from './site-rates.ts';

function caller(name: string, jobsPerSecondPerOrigin: number): Caller {
  const limits = { ...unlimited, jobsPerSecondPerOrigin };
  return { name, tenant: 'acme', scopes: new Set(), limits, load: freshLoad() };
}

function refusal(enter: () => void): JobFailure | undefined {
  try {
    enter();
    return undefined;
  } catch (error) {
    if (error instanceof JobFailure) return error;
    throw error;
  }
}

test('a site is counted under all its names, other sites and other callers are not', async () => {
  const clock = new ManualClock();
  const rates = new SiteRates(clock, alone);
  const limited = caller('a', 2);
  rates.enter(limited, 'https://shop.example.co.uk/1');
  rates.enter(limited, 'https://www.example.co.uk/2');
  const refused = refusal(() => rates.enter(limited, 'http://example.co.uk:8080/'));
  expect(refused).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 500 });
  expect(refused?.message).toContain('example.co.uk');
  rates.enter(limited, 'https://other.co.uk/');
  rates.enter(caller('b', 2), 'https://example.co.uk/');
  await clock.advance(500);
  rates.enter(limited, 'https://example.co.uk/');
});

test('addresses are sites of their own', () => {
  const rates = new SiteRates(new ManualClock(), alone);
  const limited = caller('a', 1);
  rates.enter(limited, 'http://192.0.2.1/');
  rates.enter(limited, 'http://192.0.2.2/');
  rates.enter(limited, 'http://[2001:db8::1]/');
  expect(refusal(() => rates.enter(limited, 'http://192.0.2.1:81/'))?.code).toBe('RATE_LIMITED');
});

test('of a limit that pods share, this pod gives out its part', () => {
  const asked: string[] = [];
  const shares = {
    fractionOf: ({ name }: { readonly name: string }) => {
      asked.push(name);
      return 0.5;
    },
  };
  const rates = new SiteRates(new ManualClock(), shares);
  const limited = caller('a', 4);
  for (let i = 0; i < 2; i++) rates.enter(limited, 'https://example.org/');
  expect(refusal(() => rates.enter(limited, 'https://example.org/'))?.code).toBe('RATE_LIMITED');
  expect(new Set(asked)).toEqual(new Set(['a@example.org']));
});

test('a caller without that limit costs nothing', () => {
  const rates = new SiteRates(new ManualClock(), alone);
  for (let i = 0; i < 100; i++) rates.enter(caller('a', Number.POSITIVE_INFINITY), 'not looked at');
});
