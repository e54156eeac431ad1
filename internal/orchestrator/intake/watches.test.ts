import { beforeEach, expect, test } from '@jest/globals';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { freshLoad, unlimited } from './auth/caller.ts';
import type { CallContext } from './call.ts';
import { Watches } from './watches.ts';

let clock: ManualClock;
let watches: Watches;
let leaving: AbortController;

beforeEach(() => {
  clock = new ManualClock();
  watches = new Watches(clock);
  leaving = new AbortController();
});

/** Of a caller whose token is good for so long. */
function watch(forMs?: number): Promise<string> {
  const until = forMs === undefined ? {} : { goodUntilMs: clock.wallMs() + forMs };
  const caller = {
    name: 'a',
    tenant: 'acme',
    scopes: new Set<never>(),
    limits: unlimited,
    load: freshLoad(),
    ...until,
  };
  const context: CallContext = {
    door: 'rest',
    caller,
    requestId: 'r',
    deadlineMs: undefined,
    signal: leaving.signal,
    traceparent: '',
  };
  const told: number[] = [];
  const read = async () => {
    for await (const change of watches.during(context, changes)) told.push(change);
    return `${told.join()} and it ended`;
  };
  return read().catch(({ code, message }) => `${told.join()} and ${code}: ${message}`);
}

async function* changes(until: AbortSignal) {
  yield 1;
  if (!until.aborted) await new Promise((resolve) => until.addEventListener('abort', resolve));
}

test('ends with its caller, and leaves no timer', async () => {
  const watching = watch(1_000);
  await settle();
  leaving.abort();
  expect(await watching).toBe('1 and it ended');
  expect(clock.pending).toBe(0);
});

test('fails when the pod leaves', async () => {
  const watching = watch();
  await settle();
  watches.end();
  expect(await watching).toContain('1 and DRAINING');
  expect(await watch(1_000)).toContain('DRAINING');
});

test('fails when the token is over, however far away that is', async () => {
  const monthMs = 31 * 86_400_000;
  const watching = watch(monthMs);
  await settle();
  await clock.advance(monthMs - 1);
  expect(clock.pending).toBe(1);
  await clock.advance(1);
  expect(await watching).toContain('1 and UNAUTHENTICATED: The token');
  expect(clock.pending).toBe(0);
});
