import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { JobStore } from '../job-store.ts';
import { bytes, claimIds, job, ref, sent, stateOf, succeed, suiteSettings } from '../suite/subject.ts';
import { openSqliteJobStore } from './sqlite-store.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function file(): string {
  const folder = mkdtempSync(join(tmpdir(), 'resproxy-jobs-'));
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'jobs.sqlite');
}

async function open(path: string): Promise<JobStore> {
  const store = await openSqliteJobStore({ path, now: () => 1_700_000_000_000, settings: suiteSettings });
  cleanups.push(() => store.close());
  return store;
}

function inFile<T>(path: string, ask: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path);
  const answer = ask(db);
  db.close();
  return answer;
}

describe('jobs in a file', () => {
  test('knows after a restart what it was told before', async () => {
    const path = file();
    const before = await open(path);
    const lease = await sent(before, { labels: { a: 'b' } });
    await before.putChunk(lease, 0, bytes('body'));
    await before.submit(job({ jobId: 'j2' }));
    await before.close();
    const after = await open(path);
    expect(await succeed(after, lease, ['body'])).toBe('ok');
    expect(Buffer.from((await after.resultChunk(ref(), 0)) ?? []).toString()).toBe('body');
    expect((await after.get(ref()))?.labels).toEqual({ a: 'b' });
    expect(await claimIds(after)).toEqual(['j2']);
  });

  // A job that ran when its pod was killed stood still for 30 s after the restart, until its lease was over.
  test('knows after a restart that nobody holds a job any more', async () => {
    const path = file();
    const before = await open(path);
    await sent(before, { jobId: 'j1' });
    await before.submit(job({ jobId: 'j2' }));
    await before.claim({ podId: 'pod-1', limit: 1, leaseMs: 30_000 });
    await before.close();
    const after = await open(path);
    expect(await after.sweep()).toMatchObject({ requeued: 1, retried: 1 });
    expect(await claimIds(after)).toContain('j2');
  });

  test('lets only one process have the file, and says so', async () => {
    const path = file();
    await open(path);
    await expect(open(path)).rejects.toThrow(`another process uses the job store ${path}`);
  });

  test('has the file from the start, and keeps it from the first job on', async () => {
    const path = file();
    const store = await open(path);
    expect([await store.get(ref()), await claimIds(store)]).toEqual([undefined, []]);
    await expect(open(path)).rejects.toThrow('another process uses');
    const [created, found] = await Promise.all([store.submit(job()), store.get(ref())]);
    expect([created.kind, found?.jobId]).toEqual(['created', 'j1']);
    await expect(open(path)).rejects.toThrow('another process uses');
    await store.close();
    expect(await stateOf(await open(path))).toBe('QUEUED');
  });

  test('refuses a file of a later version', async () => {
    const path = file();
    inFile(path, (db) => db.exec('PRAGMA user_version = 99'));
    await expect(open(path)).rejects.toThrow('schema 99');
  });

  test('brings a file of the first version up to date', async () => {
    const path = file();
    const before = await open(path);
    for (const jobId of ['held', 'aside', 'over']) await before.submit(job({ jobId }));
    await before.submit(job({ jobId: 'ready', priority: 9 }));
    await before.submit(job({ jobId: 'later', priority: 1, delayMs: 60_000 }));
    await before.cancel(ref('over'));
    for (const { lease, job: claimed } of await before.claim({ podId: 'p', limit: 3, leaseMs: 1_000 })) {
      if (claimed.jobId === 'aside') await before.park(lease, 'DE');
      if (claimed.jobId === 'ready') await before.release(lease, 0);
    }
    await before.close();
    const waiting = 'SELECT job_id, waiting_for, ready_at FROM jobs ORDER BY job_id';
    const written = inFile(path, (db) => {
      const rows = db.prepare(waiting).all();
      db.exec('DROP INDEX jobs_waiting; ALTER TABLE jobs DROP COLUMN waiting_for; PRAGMA user_version = 1');
      db.exec('ALTER TABLE jobs DROP COLUMN ready_at');
      return rows;
    });
    expect(written.map(({ waiting_for: reason }) => reason)).toEqual(['exit', null, 'claim', null, 'claim']);
    await (await open(path)).close();
    expect(inFile(path, (db) => db.prepare(waiting).all())).toEqual(written);
  });

  test('answers what was asked before it closed, and nothing after', async () => {
    const store = await open(file());
    const submitted = store.submit(job());
    await store.close();
    expect((await submitted).kind).toBe('created');
    await expect(store.get(ref())).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('refuses more than may wait, and recovers', async () => {
    const store = await open(':memory:');
    await store.submit(job());
    const asked = Array.from({ length: 10_001 }, () => store.get(ref()).catch((error) => error.code));
    expect((await Promise.all(asked)).filter((answer) => typeof answer === 'string')).toEqual(['OVERLOADED']);
    expect(await stateOf(store)).toBe('QUEUED');
  });

  test('tells followers of a change only once it is written', async () => {
    const store = await open(':memory:');
    const heard: string[] = [];
    store.follow(({ jobId, state }) => heard.push(`${jobId} ${state}`));
    await store.submit(job());
    await store.cancel(ref());
    expect(heard).toEqual(['j1 QUEUED', 'j1 CANCELLED']);
  });
});
