// Durable jobs for tests: a store in memory, a worker that runs them on links with written fates, and the service in
// front of it.
import { pino } from 'pino';
import type { Clock } from '../../../kit/clock.ts';
import { FakeLinks, type Fate } from '../../dispatch/fake-links.ts';
import { defaultJobSettings, type JobSettings } from '../../jobs/job-limits.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { memoryJobStore } from '../../jobs/memory-store.ts';
import { alone } from '../../limits/shares.ts';
import { Worker } from '../../queue/worker.ts';
import { FleetView } from '../../registry/fleet-view.ts';
import { exitOffer } from '../../registry/registry-suite.ts';
import { freshLoad, unlimited } from '../auth/caller.ts';
import type { CallContext } from '../call.ts';
import { SiteRates } from '../site-rates.ts';
import { durableServices } from './durable-services.ts';

export interface QueueOptions {
  readonly clock: Clock;
  readonly newJobId: () => string;
  /** What the attempts meet; the last repeats. None: no exit, so that jobs wait. */
  readonly fates?: readonly Fate[];
  readonly settings?: Partial<JobSettings>;
  /** Stands between the service and the store. */
  readonly seen?: (store: JobStore) => JobStore;
}

export const dayMs = 24 * 60 * 60_000;

export function openQueue({ clock, newJobId, fates, settings, seen = (store) => store }: QueueOptions) {
  const inner = memoryJobStore({ now: () => clock.wallMs(), settings: { ...defaultJobSettings, ...settings } });
  const store = seen(inner);
  const random = () => 0.5;
  const fleet = new FleetView();
  const links = new FakeLinks(...(fates ?? []));
  for (const key of fates ? ['a', 'b', 'c'] : []) fleet.add(exitOffer({ agentId: `${key}/default` }));
  const observer = { claimed() {}, ended() {} };
  const log = pino({ level: 'silent' });
  const worker = new Worker({ store: inner, clock, random, fleet, links, podId: 'pod-1', observer, log, onRoom() {} });
  const callbackFault = (url: URL) => (url.protocol === 'https:' ? undefined : 'must be an https URL');
  const bounds = { maxAttempts: 3, resultTtlMs: dayMs, callbackFault };
  const sites = new SiteRates(clock, alone);
  const { durable, keyed, changes } = durableServices({ store, sites, clock, random, newJobId, log, ...bounds });
  changes.start();
  if (fates) worker.start();
  return {
    store: inner,
    sites,
    links,
    worker,
    changes,
    durable,
    keyed,
    close: async () => {
      changes.stop();
      await worker.stop(0);
    },
  };
}

export function context(given: Partial<Omit<CallContext, 'caller'>> & { readonly tenant?: string } = {}): CallContext {
  const { tenant = 'acme', ...rest } = given;
  return {
    door: 'grpc',
    caller: { name: 'tester', tenant, scopes: new Set(), limits: unlimited, load: freshLoad() },
    requestId: 'r-1',
    deadlineMs: undefined,
    signal: new AbortController().signal,
    traceparent: '',
    ...rest,
  };
}
