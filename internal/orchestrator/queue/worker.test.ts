import { describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { settle } from '../../kit/manual-clock.ts';
import { answers, type Fate, silence } from '../dispatch/fake-links.ts';
import type { Ended } from './attempt-outcome.ts';
import { type QueueOptions, queueing, spec } from './queue-fixture.ts';
import { queueLimits } from './queue-limits.ts';
import { Worker } from './worker.ts';

interface Given extends QueueOptions {
  readonly maxRunning?: number;
}

function working(fates: readonly Fate[], { maxRunning, ...options }: Given = {}) {
  const queue = queueing(fates, options);
  const ended: Ended['outcome'][] = [];
  const claimed: number[] = [];
  let rooms = 0;
  const worker = new Worker({
    ...queue.means,
    podId: 'pod-a',
    observer: {
      claimed: (_, waitedMs) => void claimed.push(waitedMs),
      ended: ({ outcome }) => void ended.push(outcome),
    },
    log: pino({ enabled: false }),
    onRoom: () => rooms++,
    ...(maxRunning !== undefined && { maxRunning }),
  });
  return { ...queue, worker, ended, claimed, rooms: () => rooms };
}

const longPoll = 2 * queueLimits.pollMs;

describe('the worker of a pod', () => {
  test('claims what is submitted at once, and says when it is over', async () => {
    const { worker, submit, record, ended, rooms } = working([answers('whole')]);
    worker.start();
    await submit();
    for (let i = 0; i < 4; i++) await settle();
    expect((await record()).state).toBe('SUCCEEDED');
    expect(ended).toEqual(['succeeded']);
    expect(rooms()).toBe(1);
    await worker.stop(0);
  });

  test('asks the store now and then, since a hint may be lost', async () => {
    const { worker, submit, record, pass, claimed } = working([answers('whole')]);
    worker.start();
    await submit({ delayMs: 5_000 });
    await pass(4_000);
    expect((await record()).state).toBe('QUEUED');
    await pass(1_000 + longPoll);
    expect((await record()).state).toBe('SUCCEEDED');
    expect(claimed[0]).toBeLessThanOrEqual(longPoll);
    await worker.stop(0);
  });

  test('never runs more than it may, and goes on as soon as one is over', async () => {
    const { worker, submit, pass, links, exits } = working([silence], { maxRunning: 2, agents: 3 });
    for (const id of ['j1', 'j2', 'j3']) await submit({ jobId: id }, { timeoutMs: 10_000, idempotent: false });
    worker.start();
    await pass(5_000);
    expect(worker.running).toBe(2);
    expect(exits).toHaveLength(3);
    await pass(5_000);
    await settle();
    expect(links.sent.map(({ jobId }) => jobId)).toEqual(['j1', 'j2', 'j3']);
    worker.stop(0).catch(() => {});
    await pass(0);
  });

  test('claims no more while the bodies in hand are as many bytes as it may hold', async () => {
    const { worker, submit, pass, links } = working([silence], { agents: 40 });
    const { request } = spec({}, { body: Buffer.alloc(16 * 1024 * 1024) });
    for (let i = 0; i < 13; i++) await submit({ jobId: `j${i}` }, { request });
    worker.start();
    await pass(5_000);
    expect(links.sent).toHaveLength(queueLimits.maxClaimed);
    await stopped(worker, pass);
  });

  test('drops a job that is cancelled elsewhere', async () => {
    const { worker, submit, inner, links, record, pass } = working([silence]);
    worker.start();
    await submit();
    await pass(0);
    await inner.cancel(await record());
    await pass(0);
    expect(links.cancels).toEqual(['cancelled']);
    expect(worker.running).toBe(0);
    expect((await record()).state).toBe('CANCELLED');
    await worker.stop(0);
  });

  test('renews what it holds, and keeps it for longer than a lease', async () => {
    const { worker, submit, inner, record, pass } = working([silence]);
    worker.start();
    await submit({}, { timeoutMs: 600_000 });
    for (let i = 0; i < 10; i++) {
      await pass(queueLimits.renewMs);
      await inner.sweep();
    }
    expect((await record()).state).toBe('DISPATCHED');
    expect(worker.running).toBe(1);
    await stopped(worker, pass);
  });

  test('cancels what it holds when it could not renew for the time of a lease', async () => {
    const { worker, submit, faults, links, pass } = working([silence]);
    worker.start();
    await submit({}, { timeoutMs: 600_000 });
    await pass(queueLimits.renewMs);
    faults.fail('all');
    await pass(queueLimits.leaseMs - queueLimits.renewAgainMs);
    expect(links.cancels).toEqual([undefined]);
    await pass(2 * queueLimits.renewAgainMs);
    expect(links.cancels).toEqual(['cancelled']);
    expect(worker.running).toBe(0);
    await stopped(worker, pass);
  });

  test('cancels what a renewal says is lost, when no hint came', async () => {
    const { worker, submit, inner, links, pass, clock } = working([silence]);
    worker.start();
    await submit({}, { timeoutMs: 600_000 });
    await pass(0);
    // Its lease passes unseen, and another pod has the job.
    await clock.advance(queueLimits.renewMs - 1);
    await inner.renew([{ tenant: 'acme', jobId: 'j1', epoch: 1, attempt: 1 }], 0);
    await inner.sweep();
    expect(links.cancels).toEqual([undefined]);
    await pass(1);
    expect(links.cancels).toEqual(['cancelled']);
    await stopped(worker, pass);
  });

  test('goes on by itself when the store is back', async () => {
    const { worker, submit, faults, record, pass } = working([answers('whole')]);
    faults.fail('all');
    worker.start();
    await submit();
    await pass(60_000);
    expect(worker.storeAnswers).toBe(false);
    expect((await record()).state).toBe('QUEUED');
    faults.heal();
    await pass(queueLimits.maxStorePauseMs);
    await settle();
    expect(worker.storeAnswers).toBe(true);
    expect((await record()).state).toBe('SUCCEEDED');
    await worker.stop(0);
  });

  test('leaves a job that a newer version wrote to a pod of that version', async () => {
    const { worker, submit, record, ended, pass } = working([answers('whole')]);
    worker.start();
    await submit({ spec: Buffer.from('\0\0\0\x02{}') });
    await pass(0);
    expect(await record()).toMatchObject({ state: 'QUEUED', attempt: 0 });
    expect(ended).toEqual([]);
    await worker.stop(0);
  });

  test('stops at once when it has nothing, and claims nothing more', async () => {
    const { worker, submit, record, clock, pass } = working([answers('whole')]);
    worker.start();
    await pass(0);
    await worker.stop(10_000);
    expect(clock.pending).toBe(0);
    await submit();
    await pass(60_000);
    expect((await record()).state).toBe('QUEUED');
  });

  test('gives what runs its grace, and hands the rest back', async () => {
    const { worker, submit, record, pass, clock } = working([silence], { agents: 2 });
    worker.start();
    await submit({}, { timeoutMs: 600_000 });
    await submit({ jobId: 'j2' }, { timeoutMs: 600_000, idempotent: false });
    await pass(0);
    const stopping = worker.stop(5_000);
    await pass(4_999);
    expect(worker.running).toBe(2);
    await pass(1);
    await stopping;
    expect((await record()).state).toBe('RETRY_WAIT');
    expect((await record('j2')).state).toBe('OUTCOME_UNKNOWN');
    expect(clock.pending).toBe(0);
  });

  test('does not wait for a store that is away longer than a moment after the grace', async () => {
    const { worker, submit, faults, pass, clock } = working([silence]);
    worker.start();
    await submit({}, { timeoutMs: 600_000 });
    await pass(0);
    faults.fail('all');
    const stopping = worker.stop(5_000);
    await pass(5_000 + queueLimits.handBackMs);
    await stopping;
    expect(worker.running).toBe(0);
    expect(clock.pending).toBe(0);
  });

  test('one tenant’s many jobs do not hold up another’s single one for more than the store’s batch', async () => {
    const { worker, submit, links, pass } = working([answers('whole')], { agents: 8, settings: { tenantBatch: 4 } });
    for (let i = 0; i < 50; i++) await submit({ jobId: `many-${i}` });
    await submit({ tenant: 'other', jobId: 'single' });
    worker.start();
    await pass(0);
    for (let i = 0; i < 20; i++) await settle();
    expect(links.sent.findIndex(({ jobId }) => jobId === 'single')).toBeLessThanOrEqual(4);
    await worker.stop(0);
  });
});

/** Stops a worker whose attempts never end by themselves. */
async function stopped(worker: Worker, pass: (ms: number) => Promise<void>): Promise<void> {
  const stopping = worker.stop(0);
  await pass(queueLimits.handBackMs);
  await stopping;
}
