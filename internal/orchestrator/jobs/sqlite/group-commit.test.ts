import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from '@jest/globals';
import { defaultJobSettings } from '../job-limits.ts';
import type { JobStore } from '../job-store.ts';
import { storeOf } from '../operations.ts';
import { behavesLikeTheModel } from '../suite/model.ts';
import { storeBehaviours } from '../suite/store-suite.ts';
import { job, suiteSettings } from '../suite/subject.ts';
import { openDatabase } from './database.ts';
import { GroupCommit } from './group-commit.ts';
import { type Call, toError } from './protocol.ts';
import { migrate } from './schema.ts';
import { searches } from './sqlite-shelf.ts';

/** The store without its thread: every call a group of its own. */
function inMemory(now: () => number): JobStore {
  const db = openDatabase(':memory:');
  const group = new GroupCommit(db, suiteSettings);
  const perform = async (name: Call['name'], args: readonly unknown[]) => {
    const [reply] = group.perform([{ id: 1, name, args, now: now() }]).replies;
    if (!reply || 'fault' in reply) throw reply ? toError(reply.fault) : new Error('no reply');
    return reply.value;
  };
  return storeOf(perform, { follow: () => () => {}, close: async () => db.close() });
}

function submit(id: number, jobId: string): Call {
  return { id, name: 'submit', args: [job({ jobId })], now: 1_000 };
}

describe('jobs in tables', () => {
  for (const { name, check } of storeBehaviours) {
    test(name, async () => {
      let now = 1_700_000_000_000;
      const store = inMemory(() => now);
      const advance = (ms: number) => {
        now += ms;
      };
      await check({ store, advance });
      await store.close();
    });
  }

  test('behave like the model whatever happens', async () => {
    const subject = async (now: () => number) => {
      const store = inMemory(now);
      return { store, end: () => store.close() };
    };
    await behavesLikeTheModel({ subject, runs: 60 });
  });

  test('are searched by an index, without sorting', () => {
    const db = new DatabaseSync(':memory:');
    migrate(db);
    for (const [name, text] of Object.entries(searches)) {
      const plan = db.prepare(`EXPLAIN QUERY PLAN ${text}`).all();
      const steps = plan.map(({ detail }) => String(detail));
      expect([name, steps.length]).toEqual([name, 1]);
      expect([name, steps[0]]).toEqual([name, expect.stringMatching(/ USING (COVERING )?INDEX | USING PRIMARY KEY /)]);
    }
    db.close();
  });

  test('are committed together, and a refused call does not undo the others', () => {
    const db = openDatabase(':memory:');
    const group = new GroupCommit(db, suiteSettings);
    const refused: Call = { id: 2, name: 'submit', args: [job({ jobId: 'j2', priority: 11 })], now: 1_000 };
    const { replies, changes } = group.perform([submit(1, 'j1'), refused, submit(3, 'j3')]);
    expect(replies.map((reply) => ('fault' in reply ? reply.fault.kind : 'done'))).toEqual([
      'done',
      'out-of-range',
      'done',
    ]);
    expect(changes.map(({ jobId }) => jobId)).toEqual(['j1', 'j3']);
    db.close();
  });

  test('are not changed at all by a group that cannot be written', () => {
    const db = openDatabase(':memory:');
    const group = new GroupCommit(db, defaultJobSettings);
    group.perform([submit(1, 'j1')]);
    const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count);
    db.exec(`PRAGMA max_page_count = ${pages}`);
    const large: Call = {
      id: 3,
      name: 'submit',
      args: [job({ jobId: 'j3', spec: new Uint8Array(1_000_000) })],
      now: 1_000,
    };
    const { replies, changes } = group.perform([submit(2, 'j2'), large]);
    expect(replies.map((reply) => 'fault' in reply && reply.fault.kind)).toEqual(['STORE_FULL', 'STORE_FULL']);
    expect(changes).toEqual([]);
    expect(
      db
        .prepare('SELECT job_id FROM jobs')
        .all()
        .map((row) => row.job_id),
    ).toEqual(['j1']);
    db.close();
  });
});
