// Anything that may happen to a store, as plain data: what a random history is made of. A step names leases and
// deliveries by their place among those given out so far, so that late and repeated use of them is common.
import fc from 'fast-check';
import type { Execution } from '../../failure/table.ts';
import type { EndState, NewJob } from '../job.ts';
import type { DeliveryOutcome } from '../job-store.ts';
import { bytes, job } from './subject.ts';

export type Step =
  | { readonly do: 'submit'; readonly job: NewJob }
  | { readonly do: 'claim'; readonly podId: string; readonly limit: number }
  | { readonly do: 'dispatched' | 'running' | 'chunk' | 'succeed' | 'renew'; readonly lease: number }
  | { readonly do: 'release'; readonly lease: number; readonly delayMs: number }
  | { readonly do: 'park'; readonly lease: number; readonly target: string }
  | { readonly do: 'unpark'; readonly target: string; readonly limit: number }
  | { readonly do: 'fail'; readonly lease: number; readonly state: Exclude<EndState, 'SUCCEEDED'> }
  | { readonly do: 'retry'; readonly lease: number; readonly delayMs: number; readonly execution: Execution }
  | { readonly do: 'cancel' | 'redeliver'; readonly tenant: string; readonly jobId: string }
  | { readonly do: 'redrive'; readonly tenant: string; readonly jobId: string; readonly newJobId: string }
  | { readonly do: 'claimDeliveries'; readonly limit: number }
  | { readonly do: 'recordDelivery'; readonly delivery: number; readonly kind: DeliveryOutcome['kind'] }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'sweep' | 'look' };

export const tenants = ['acme', 'beta', 'gamma'];
export const jobIds = ['j1', 'j2', 'j3', 'j4', 'r1', 'r2'];
const targets = ['DE', 'FR/IDF'];

const tenant = fc.constantFrom(...tenants);
const jobId = fc.constantFrom(...jobIds);
const target = fc.constantFrom(...targets);
const nth = fc.nat(11);
const pause = fc.constantFrom(0, 5_000, 15_000);

const newJob = fc
  .record({
    tenant,
    jobId: fc.constantFrom('j1', 'j2', 'j3', 'j4'),
    priority: fc.constantFrom(0, 5, 9),
    idempotent: fc.boolean(),
    maxAttempts: fc.integer({ min: 1, max: 3 }),
    delayMs: pause,
    queueMs: fc.constantFrom(10_000, 30_000, 600_000),
    resultTtlMs: fc.constantFrom(10_000, 60_000),
    keepMs: fc.constantFrom(20_000, 60_000),
    labels: fc.constantFrom<Record<string, string>>({}, { batch: 'b1' }),
    key: fc.option(
      fc.record({
        key: fc.constantFrom('k1', 'k2'),
        fingerprint: fc.constantFrom('f1', 'f2'),
        ttlMs: fc.constantFrom(15_000, 90_000),
      }),
      { nil: undefined },
    ),
    callback: fc.constantFrom(undefined, bytes('url')),
  })
  .map(job);

const held = fc.oneof(
  fc.record({ do: fc.constantFrom('dispatched', 'running', 'chunk', 'succeed', 'renew'), lease: nth }),
  fc.record({ do: fc.constant('dispatched'), lease: nth }),
  fc.record({ do: fc.constant('release'), lease: nth, delayMs: pause }),
  fc.record({ do: fc.constant('park'), lease: nth, target }),
  fc.record({
    do: fc.constant('fail'),
    lease: nth,
    state: fc.constantFrom<Exclude<EndState, 'SUCCEEDED'>>('FAILED', 'CANCELLED', 'DEAD', 'OUTCOME_UNKNOWN'),
  }),
  fc.record({
    do: fc.constant('retry'),
    lease: nth,
    delayMs: pause,
    execution: fc.constantFrom<Execution>('NOT_STARTED', 'POSSIBLE'),
  }),
);

export const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('submit'), job: newJob }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('claim'),
      podId: fc.constantFrom('pod-1', 'pod-2'),
      limit: fc.integer({ min: 1, max: 5 }),
    }),
  },
  { weight: 6, arbitrary: held },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('unpark'), target, limit: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cancel', 'redeliver'), tenant, jobId }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('redrive'),
      tenant,
      jobId,
      newJobId: fc.constantFrom('r1', 'r2'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('claimDeliveries'), limit: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('recordDelivery'),
      delivery: nth,
      kind: fc.constantFrom('delivered', 'gave-up', 'again', 'postponed'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(1, 5_000, 10_000, 40_000) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('sweep', 'look') }) },
) as fc.Arbitrary<Step>;
