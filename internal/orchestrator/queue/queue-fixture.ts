// A queue for tests: a store in memory, a fleet in memory, links with written fates, and one clock that stands still for
// all of them. The store can be made to fail.
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { job as syncJob } from '../dispatch/dispatch-fixture.ts';
import { FakeLinks, type Fate } from '../dispatch/fake-links.ts';
import type { JobRecord, NewJob } from '../jobs/job.ts';
import type { JobSettings } from '../jobs/job-limits.ts';
import { defaultJobSettings } from '../jobs/job-limits.ts';
import { type ClaimedJob, type JobStore, StoreFault, type StoreFaultCode } from '../jobs/job-store.ts';
import { memoryJobStore } from '../jobs/memory-store.ts';
import { type OperationName, storeOf } from '../jobs/operations.ts';
import { job } from '../jobs/suite/subject.ts';
import { FleetView } from '../registry/fleet-view.ts';
import type { ExitOffer, LiveExit } from '../registry/live-exit.ts';
import { exitOffer } from '../registry/registry-suite.ts';
import { anyTarget } from '../route/candidate.ts';
import { HeldJob } from './held-job.ts';
import { encodeSpec, type JobSpec } from './job-spec.ts';
import { queueLimits } from './queue-limits.ts';

type Perform = (...args: readonly unknown[]) => Promise<unknown>;

/** A store whose operations fail for as long as a test says so, and which keeps the names of those that were asked. */
export class FaultyStore {
  readonly asked: OperationName[] = [];
  readonly store: JobStore;
  readonly #faults = new Map<OperationName | 'all', StoreFaultCode>();
  #before: (name: OperationName) => void = () => {};

  constructor(inner: JobStore) {
    this.store = storeOf(
      async (name, args) => {
        this.asked.push(name);
        const fault = this.#faults.get(name) ?? this.#faults.get('all');
        if (fault) throw new StoreFault(fault, 'as the test says');
        this.#before(name);
        return (inner[name] as Perform)(...args);
      },
      { follow: (listener) => inner.follow(listener), close: () => inner.close() },
    );
  }

  fail(what: OperationName | 'all', code: StoreFaultCode = 'STORE_UNAVAILABLE'): void {
    this.#faults.set(what, code);
  }

  heal(): void {
    this.#faults.clear();
  }

  /** Called before each operation that is carried out. */
  before(listener: (name: OperationName) => void): void {
    this.#before = listener;
  }

  times(name: OperationName): number {
    return this.asked.filter((asked) => asked === name).length;
  }
}

export function spec(given: Partial<JobSpec> = {}, request: Partial<JobSpec['request']> = {}): JobSpec {
  return {
    target: anyTarget,
    idempotent: true,
    timeoutMs: 30_000,
    retry: { maxAttempts: 3, initialBackoffMs: 100, maxBackoffMs: 2_000 },
    retryOnStatus: [],
    traceparent: '',
    ...given,
    request: { ...syncJob().request, ...request },
  };
}

export interface QueueOptions {
  readonly agents?: number;
  readonly settings?: Partial<JobSettings>;
}

export function queueing(fates: readonly Fate[], { agents = 1, settings = {} }: QueueOptions = {}) {
  const clock = new ManualClock();
  const inner = memoryJobStore({ now: () => clock.wallMs(), settings: { ...defaultJobSettings, ...settings } });
  const faults = new FaultyStore(inner);
  const { store } = faults;
  const links = new FakeLinks(...fates);
  const fleet = new FleetView();
  const exits: LiveExit[] = [];
  const addExit = (agentId: string, offer: Partial<ExitOffer> = {}) => {
    const exit = exitOffer({ agentId, ...offer });
    exits.push(exit);
    fleet.add(exit);
    return exit;
  };
  for (let i = 0; i < agents; i++) addExit(`${String.fromCharCode(97 + i)}/default`);
  const submit = async (given: Partial<NewJob> = {}, asks: Partial<JobSpec> = {}): Promise<void> => {
    const wanted = spec(asks, asks.request);
    const { idempotent, retry } = wanted;
    await inner.submit(job({ spec: encodeSpec(wanted), idempotent, maxAttempts: retry.maxAttempts, ...given }));
  };
  const record = async (jobId = 'j1'): Promise<JobRecord> => {
    const found = await inner.get({ tenant: 'acme', jobId });
    if (!found) throw new Error(`there is no ${jobId}`);
    return found;
  };
  const means = { store, fleet, links, clock, random: () => 0.5 };
  const claimOne = async (): Promise<{ held: HeldJob; claimed: ClaimedJob }> => {
    const [claimed] = await inner.claim({ podId: 'pod-a', limit: 1, leaseMs: queueLimits.leaseMs });
    if (!claimed) throw new Error('there was nothing to claim');
    return { held: new HeldJob(claimed, means), claimed };
  };
  /** Moves time once everything that is ready has run. */
  const pass = async (ms: number) => {
    await settle();
    await clock.advance(ms);
  };
  return { clock, inner, faults, store, links, fleet, exits, addExit, submit, record, means, claimOne, pass };
}
