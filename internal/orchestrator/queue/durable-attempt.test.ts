import { describe, expect, test } from '@jest/globals';
import { settle } from '../../kit/manual-clock.ts';
import { answers, type Fate, fails, noLink, refuses, silence, stall } from '../dispatch/fake-links.ts';
import { AttemptFailure } from '../failure/failures.ts';
import type { Code, Execution } from '../failure/table.ts';
import type { NewJob } from '../jobs/job.ts';
import { DurableAttempt } from './durable-attempt.ts';
import { decodeMeta } from './job-result.ts';
import { decodeSpec, type JobSpec } from './job-spec.ts';
import { type QueueOptions, queueing } from './queue-fixture.ts';
import { queueLimits } from './queue-limits.ts';

interface Given extends QueueOptions {
  readonly asks?: Partial<JobSpec>;
  readonly job?: Partial<NewJob>;
}

/** One job, claimed, and the attempt that is about to run. */
async function attempting(fates: readonly Fate[], { asks = {}, job = {}, ...options }: Given = {}) {
  const queue = queueing(fates, options);
  await queue.submit(job, asks);
  const { held, claimed } = await queue.claimOne();
  const attempt = new DurableAttempt(held, decodeSpec(claimed.spec), queue.means);
  return { ...queue, held, attempt };
}

function status(code: number, headers: readonly { name: string; value: string }[] = []): Fate {
  const fate = answers('');
  return fate.kind === 'answer' ? { ...fate, head: { ...fate.head, statusCode: code, headers } } : fate;
}

const failing = (code: Code, execution: Execution) => fails(new AttemptFailure(code, execution));
const once = { idempotent: false };

describe('an attempt of a durable job', () => {
  test('leaves its answer in the store, body in pieces, and the exit that gave it', async () => {
    const { attempt, record, inner } = await attempting([answers('in ', 'two ', 'pieces')]);
    expect(await attempt.run()).toEqual({ outcome: 'succeeded', code: 'OK' });
    const job = await record();
    expect(job).toMatchObject({ state: 'SUCCEEDED', result: { bodyBytes: 13, chunks: 1 } });
    const result = await inner.result(job);
    expect(decodeMeta(result?.meta ?? Buffer.of())).toMatchObject({
      statusCode: 200,
      exit: { exitId: 'a/default/direct', agentId: 'a/default' },
    });
    expect(Buffer.from((await inner.resultChunk(job, 0)) ?? []).toString()).toBe('in two pieces');
  });

  test('is marked as sent before it is sent', async () => {
    const { attempt, links, faults } = await attempting([answers('whole')]);
    let sentBefore = -1;
    faults.before((name) => {
      if (name === 'dispatched') sentBefore = links.sent.length;
    });
    await attempt.run();
    expect(sentBefore).toBe(0);
    expect(links.sent).toHaveLength(1);
  });

  test('sends nothing while the store does not take the mark', async () => {
    const { attempt, links, faults, pass } = await attempting([answers('whole')]);
    faults.fail('dispatched');
    const running = attempt.run();
    for (let i = 0; i < 5; i++) await pass(queueLimits.maxStorePauseMs);
    expect(links.sent).toHaveLength(0);
    faults.heal();
    await pass(queueLimits.maxStorePauseMs);
    expect(await running).toEqual({ outcome: 'succeeded', code: 'OK' });
  });

  test('sends nothing once the job was cancelled, not even while the mark is on its way', async () => {
    const { attempt, links, held, faults, clock } = await attempting([answers('whole')]);
    faults.before((name) => {
      if (name === 'dispatched') held.lose();
    });
    expect(await attempt.run()).toMatchObject({ outcome: 'lost' });
    expect(links.sent).toHaveLength(0);
    expect(clock.pending).toBe(0);
  });

  test('waits for an exit where there is none', async () => {
    const { attempt, record, inner } = await attempting([], { agents: 0 });
    expect(await attempt.run()).toMatchObject({ outcome: 'parked' });
    expect((await record()).parkedUnder).not.toBe('');
    expect((await inner.parkedTargets(10, '')).targets).toHaveLength(1);
  });

  test('goes back to the queue for a while where too many wait already', async () => {
    const { attempt, record, pass, inner } = await attempting([], { agents: 0, settings: { maxParkedPerTarget: 0 } });
    expect(await attempt.run()).toMatchObject({ outcome: 'released' });
    expect(await record()).toMatchObject({ state: 'QUEUED', parkedUnder: '', attempt: 0 });
    const claim = { podId: 'pod-a', limit: 1, leaseMs: 1_000 };
    await pass(queueLimits.fullParkingMs - 1);
    expect(await inner.claim(claim)).toHaveLength(0);
    await pass(1);
    expect(await inner.claim(claim)).toHaveLength(1);
  });

  test.each([
    ['an exit that turns out to be full', refuses(new AttemptFailure('EXIT_BUSY', 'NOT_STARTED'))],
    ['an agent that has just gone', noLink],
    ['an agent that says it is busy', failing('EXIT_BUSY', 'NOT_STARTED')],
  ])('%s costs the job no attempt', async (_, fate) => {
    const { attempt, record } = await attempting([fate], { asks: once });
    expect(await attempt.run()).toMatchObject({ outcome: 'released' });
    expect(await record()).toMatchObject({ state: 'QUEUED', attempt: 0, attempts: [] });
  });

  test('that failed is followed by another after its backoff', async () => {
    const { attempt, record } = await attempting([failing('AGENT_LOST', 'POSSIBLE')]);
    expect(await attempt.run()).toEqual({ outcome: 'retried', code: 'AGENT_LOST' });
    const { state, readyAt, createdAt, attempts } = await record();
    expect(state).toBe('RETRY_WAIT');
    expect(readyAt - createdAt).toBe(100);
    expect(attempts[0]).toMatchObject({ exitId: 'a/default/direct', failure: { code: 'AGENT_LOST' } });
  });

  test('that may have left is the last one of a job that may be sent once', async () => {
    const { attempt, record } = await attempting([failing('AGENT_LOST', 'POSSIBLE')], { asks: once });
    expect(await attempt.run()).toEqual({ outcome: 'unknown', code: 'AGENT_LOST' });
    expect(await record()).toMatchObject({
      state: 'OUTCOME_UNKNOWN',
      failure: { code: 'OUTCOME_UNKNOWN', execution: 'POSSIBLE' },
      attempts: [{ failure: { code: 'AGENT_LOST' } }],
    });
  });

  test('that failed for good ends the job', async () => {
    const { attempt, record } = await attempting([failing('DNS_NXDOMAIN', 'NOT_STARTED')]);
    expect(await attempt.run()).toEqual({ outcome: 'failed', code: 'DNS_NXDOMAIN' });
    expect(await record()).toMatchObject({ state: 'FAILED', failure: { code: 'DNS_NXDOMAIN' } });
  });

  test('that was the last one makes a dead letter', async () => {
    const { attempt, record } = await attempting([failing('CONNECT_REFUSED', 'NOT_STARTED')], {
      job: { maxAttempts: 1 },
    });
    expect(await attempt.run()).toEqual({ outcome: 'dead', code: 'CONNECT_REFUSED' });
    expect(await record()).toMatchObject({ state: 'DEAD', failure: { code: 'CONNECT_REFUSED' } });
  });

  test('a status that the caller wants to be tried again does so, no sooner than the origin asks', async () => {
    const { attempt, record, links } = await attempting([status(503, [{ name: 'Retry-After', value: '7' }])], {
      asks: { retryOnStatus: [503] },
    });
    expect(await attempt.run()).toEqual({ outcome: 'retried', code: 'RETRY_ON_STATUS' });
    const { readyAt, createdAt } = await record();
    expect(readyAt - createdAt).toBe(7_000);
    expect(links.cancels).toEqual(['cancelled']);
  });

  test('and is the answer when no attempt is left', async () => {
    const { attempt, record } = await attempting([status(503)], {
      asks: { retryOnStatus: [503] },
      job: { maxAttempts: 1 },
    });
    expect(await attempt.run()).toEqual({ outcome: 'succeeded', code: 'OK' });
    expect((await record()).state).toBe('SUCCEEDED');
  });

  test('ends when its time is over, and the next one has a time of its own', async () => {
    const { attempt, links, pass, clock } = await attempting([silence], { asks: { timeoutMs: 1_000 } });
    const running = attempt.run();
    await pass(1_000);
    expect(await running).toEqual({ outcome: 'retried', code: 'DEADLINE_EXCEEDED' });
    expect(links.cancels).toEqual(['deadline']);
    expect(clock.pending).toBe(0);
  });

  test('its time runs out also while a piece of the answer is being stored', async () => {
    const piece = 'x'.repeat(queueLimits.chunkBytes);
    const { attempt, faults, links, pass } = await attempting([answers('', piece, stall)], {
      asks: { timeoutMs: 1_000, ...once },
    });
    faults.fail('putChunk');
    const running = attempt.run();
    await pass(1_000);
    faults.heal();
    await pass(queueLimits.maxStorePauseMs);
    expect(await running).toEqual({ outcome: 'unknown', code: 'DEADLINE_EXCEEDED' });
    expect(links.cancels).toEqual(['deadline']);
  });

  test('a lease that is lost cancels the exchange, and nobody is told of it', async () => {
    const { attempt, held, links, faults, record } = await attempting([answers('half', stall)], { asks: once });
    const running = attempt.run();
    await settle();
    held.lose();
    expect(await running).toMatchObject({ outcome: 'lost' });
    expect(links.cancels).toEqual(['cancelled']);
    expect(faults.times('finish') + faults.times('retry')).toBe(0);
    expect((await record()).state).toBe('RUNNING');
  });

  test('a late answer of a job that was cancelled is dropped', async () => {
    const { attempt, faults, inner, record } = await attempting([answers('late')]);
    faults.before((name) => {
      if (name === 'finish') void inner.cancel({ tenant: 'acme', jobId: 'j1' });
    });
    expect(await attempt.run()).toMatchObject({ outcome: 'lost' });
    const job = await record();
    expect(job.state).toBe('CANCELLED');
    expect(await inner.result(job)).toBeUndefined();
  });

  test.each([
    ['may be repeated goes to another pod', {}, 'RETRY_WAIT'],
    ['may be sent once is not known', once, 'OUTCOME_UNKNOWN'],
  ])('when its pod goes away, what has left and %s', async (_, asks, state) => {
    const { attempt, held, record, links } = await attempting([silence], { asks });
    const running = attempt.run();
    await settle();
    held.abandon();
    expect(await running).toMatchObject({ code: 'DRAINING' });
    expect(await record()).toMatchObject({ state, attempts: [{ failure: { code: 'DRAINING' } }] });
    expect(links.cancels).toEqual(['cancelled']);
  });

  test('when its pod goes away before it was sent, it counts for nothing', async () => {
    const { attempt, held, record, links, faults } = await attempting([silence], { asks: once });
    faults.before((name) => {
      if (name === 'dispatched') held.abandon();
    });
    expect(await attempt.run()).toEqual({ outcome: 'released', code: 'DRAINING' });
    expect(links.sent).toHaveLength(0);
    expect(await record()).toMatchObject({ state: 'QUEUED', attempt: 0 });
  });

  test('goes to an exit that was not tried, and to the same one again rather than nowhere', async () => {
    const fates = [failing('CONNECT_REFUSED', 'NOT_STARTED')];
    const { attempt, claimOne, means, links, pass } = await attempting(fates, { agents: 2 });
    await attempt.run();
    for (let i = 0; i < 2; i++) {
      await pass(5_000);
      const { held, claimed } = await claimOne();
      await new DurableAttempt(held, decodeSpec(claimed.spec), means).run();
    }
    const [first, second, third] = links.sent.map(({ exitId }) => exitId);
    expect(new Set([first, second]).size).toBe(2);
    expect([first, second]).toContain(third);
    expect(links.sent.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
  });

  test('an answer for which the store has no room is not had, and the job says so', async () => {
    const { attempt, faults, record } = await attempting([answers('whole')]);
    faults.fail('putChunk', 'STORE_FULL');
    expect(await attempt.run()).toEqual({ outcome: 'failed', code: 'STORE_FULL' });
    expect(await record()).toMatchObject({ state: 'FAILED', failure: { code: 'STORE_FULL', execution: 'DONE' } });
  });

  test('the end of a job waits for room in a store that is full', async () => {
    const { attempt, faults, pass, record } = await attempting([answers('')]);
    faults.fail('finish', 'STORE_FULL');
    const running = attempt.run();
    for (let i = 0; i < 3; i++) await pass(queueLimits.maxStorePauseMs);
    expect((await record()).state).toBe('DISPATCHED');
    faults.heal();
    await pass(queueLimits.maxStorePauseMs);
    expect(await running).toMatchObject({ outcome: 'succeeded' });
  });
});
