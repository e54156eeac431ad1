import { describe, expect, test } from '@jest/globals';
import pino from 'pino';
import { ManualClock, settle } from '../../kit/manual-clock.ts';
import { type JobStore, StoreFault } from './job-store.ts';
import { LateStore } from './late-store.ts';
import { memoryJobStore } from './memory-store.ts';
import { job, ref } from './suite/subject.ts';

function late(open?: () => Promise<JobStore>) {
  const clock = new ManualClock();
  const inner = memoryJobStore({ now: () => clock.wallMs() });
  const opened = new LateStore({ open: open ?? (async () => inner), clock, log: pino({ enabled: false }) });
  return { clock, inner, late: opened, store: opened.store };
}

const away = () => Promise.reject(new StoreFault('STORE_UNAVAILABLE', 'away'));

describe('a store that is opened late', () => {
  test('says so until it is open, and then does what it is asked', async () => {
    const { late: one, store, inner } = late();
    await expect(store.submit(job())).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    await one.open();
    expect(await store.submit(job())).toMatchObject({ kind: 'created' });
    expect(await inner.get(ref())).toBeDefined();
  });

  test('tells of changes whoever followed it before it was open', async () => {
    const { late: one, store } = late();
    const heard: string[] = [];
    store.follow(({ state }) => heard.push(state));
    await one.open();
    await store.submit(job());
    await settle();
    expect(heard).toEqual(['QUEUED']);
  });

  test('that cannot be reached is opened once it can', async () => {
    let reachable = false;
    const inner = memoryJobStore({ now: () => 0 });
    const { late: one, store, clock } = late(() => (reachable ? Promise.resolve(inner) : away()));
    await one.open();
    await clock.advance(10_000);
    await expect(store.sweep()).rejects.toThrow();
    reachable = true;
    await clock.advance(1_000);
    expect(await store.sweep()).toMatchObject({ more: false });
    await one.close();
    expect(clock.pending).toBe(0);
  });

  test('that can never be opened says why', async () => {
    const { late: one } = late(() => Promise.reject(new Error('another process uses it')));
    await expect(one.open()).rejects.toThrow('another process uses it');
  });

  test('that is closed is asked nothing more, and tries no more to open', async () => {
    const { late: one, store, clock } = late(away);
    await one.open();
    await one.close();
    expect(clock.pending).toBe(0);
    await expect(store.sweep()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });
});
