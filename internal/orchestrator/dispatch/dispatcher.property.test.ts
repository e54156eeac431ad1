// Whatever the attempts of a job meet, in whatever order: the promises of jobs.

import { status } from '@grpc/grpc-js';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AttemptFailure, JobFailure } from '../failure/failures.ts';
import { type Code, type Execution, failureTable } from '../failure/table.ts';
import { dispatching, job, kept } from './dispatch-fixture.ts';
import { answers, type Fate, fails, noLink, refuses, silence, stall } from './fake-links.ts';
import type { JobEvent } from './job.ts';

const codes = Object.keys(failureTable) as Code[];
const executions: Execution[] = ['NOT_STARTED', 'POSSIBLE', 'DONE'];

const attemptFailure = fc
  .tuple(fc.constantFrom(...codes), fc.constantFrom(...executions))
  .map(([code, execution]) => new AttemptFailure(code, execution));
const refusal = fc
  .constantFrom<Code>('EXIT_BUSY', 'EXIT_REFUSED', 'AGENT_DISCONNECTED')
  .map((code) => refuses(new AttemptFailure(code, 'NOT_STARTED')));
const fate: fc.Arbitrary<Fate> = fc.oneof(
  attemptFailure.map(fails),
  refusal,
  attemptFailure.map((failure) => answers('half', failure)),
  fc.constantFrom(silence, noLink, answers('whole'), answers('in ', 'pieces'), answers('', stall)),
  fc.constant(fails(new TypeError('a defect'))),
);

const scenario = fc.record({
  fates: fc.array(fate, { minLength: 1, maxLength: 6 }),
  agents: fc.integer({ min: 0, max: 5 }),
  idempotent: fc.boolean(),
  deadlineAt: fc.integer({ min: 0, max: 2_000 }),
  /** 3,000 is after every deadline. */
  callerLeavesAt: fc.integer({ min: 0, max: 3_000 }),
  maxAttempts: fc.integer({ min: 1, max: 4 }),
  streamed: fc.boolean(),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer S> ? S : never;

async function played({ fates, agents, callerLeavesAt, maxAttempts, streamed, ...given }: Scenario) {
  const subject = dispatching(fates, agents);
  const { dispatcher, clock, pass } = subject;
  const caller = new AbortController();
  const one = job({ ...given, retry: { maxAttempts, initialBackoffMs: 100, maxBackoffMs: 2_000 } });
  const { signal } = caller;
  const running = kept<unknown>(streamed ? lastEvent(dispatcher.stream(one, signal)) : dispatcher.run(one, signal));
  await pass(callerLeavesAt);
  caller.abort();
  await pass(0);
  const settled = await running;
  const failure = 'failure' in settled ? settled.failure : undefined;
  return { ...subject, clock, failure, sent: subject.links.sent };
}

async function lastEvent(events: AsyncIterable<JobEvent>): Promise<JobEvent | undefined> {
  let last: JobEvent | undefined;
  for await (const event of events) last = event;
  return last;
}

function always(promise: (outcome: Awaited<ReturnType<typeof played>>, given: Scenario) => void): Promise<void> {
  return fc.assert(
    fc.asyncProperty(scenario, async (given) => promise(await played(given), given)),
    { numRuns: 300 },
  );
}

test('every job ends with an answer or a JobFailure, and leaves nothing behind', () =>
  always(({ failure, dispatcher, clock, links }) => {
    if (failure) expect(failure).toBeInstanceOf(JobFailure);
    else expect(links.cancels.at(-1)).toBeUndefined();
    expect(dispatcher.inFlight).toBe(0);
    expect(clock.pending).toBe(0);
  }));

test('no job has more attempts than it may, and none meets an exit twice', () =>
  always(({ failure, sent, ended }, { maxAttempts }) => {
    expect(ended.length).toBeLessThanOrEqual(maxAttempts);
    expect(new Set(sent.map(({ exitId }) => exitId)).size).toBe(sent.length);
    expect(sent.map(({ attempt }) => attempt)).toEqual([...sent.map(({ attempt }) => attempt)].sort((a, b) => a - b));
    if (failure) expect(failure.attempts.map(({ code }) => code)).toEqual(ended);
  }));

test('a job that is not idempotent is never sent again once it may have left', () =>
  always(({ failure }, { idempotent }) => {
    if (idempotent || !failure) return;
    const mayHaveLeft = failure.attempts.findIndex(({ execution }) => execution !== 'NOT_STARTED');
    if (mayHaveLeft >= 0) expect(mayHaveLeft).toBe(failure.attempts.length - 1);
  }));

test('nobody is led to repeat a job that is not idempotent and may have left', () =>
  always(({ failure }, { idempotent }) => {
    const left = failure?.attempts.some(({ execution }) => execution !== 'NOT_STARTED');
    if (!failure || idempotent || !left) return;
    expect(failure.retryable).toBe(false);
    expect(failure.row.grpc).not.toBe(status.UNAVAILABLE);
    const unknown = failure.attempts.some(({ execution }) => execution === 'POSSIBLE');
    if (unknown) expect(['OUTCOME_UNKNOWN', 'DEADLINE_EXCEEDED', 'CANCELLED']).toContain(failure.code);
    // The codes that say that the origin answered are the only ones that keep their 502.
    const answered = failure.row.execution === 'DONE';
    if (!answered) expect([502, 503]).not.toContain(failure.row.http);
  }));

test('a failure says NOT_STARTED only when no attempt may have started', () =>
  always(({ failure }) => {
    const started = failure?.attempts.some(({ execution }) => execution !== 'NOT_STARTED') ?? false;
    if (failure) expect(failure.execution !== 'NOT_STARTED').toBe(started);
  }));
