// Calls that arrived while the last ones were being written share one transaction, and so one flush to the disk: under
// load an acknowledgement costs a share of it. Nobody is answered before the commit.
import type { DatabaseSync } from 'node:sqlite';
import type { JobSettings } from '../job-limits.ts';
import { type JobChange, StoreFault } from '../job-store.ts';
import { Ledger } from '../ledger/ledger.ts';
import { performOn } from '../operations.ts';
import { errorNumber } from './database.ts';
import { type Call, type Committed, type Reply, toFault } from './protocol.ts';
import { SqliteShelf } from './sqlite-shelf.ts';

const sqliteFull = 13;

export class GroupCommit {
  readonly #db: DatabaseSync;
  readonly #ledger: Ledger;
  #now = 0;
  #changes: JobChange[] = [];

  constructor(db: DatabaseSync, settings: JobSettings) {
    this.#db = db;
    const tell = (change: JobChange) => this.#changes.push(change);
    this.#ledger = new Ledger({ shelf: new SqliteShelf(db), now: () => this.#now, settings, tell });
  }

  perform(calls: readonly Call[]): Committed {
    this.#changes = [];
    try {
      this.#db.exec('BEGIN IMMEDIATE');
      const replies = calls.map((call) => this.#one(call));
      this.#db.exec('COMMIT');
      return { kind: 'committed', replies, changes: this.#changes };
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      const fault = toFault(errorNumber(error) === undefined ? error : writeFailed(error));
      return { kind: 'committed', replies: calls.map(({ id }) => ({ id, fault })), changes: [] };
    }
  }

  /** What the ledger refuses, it refuses before it has written anything; every other error is one of the whole group. */
  #one({ id, name, args, now }: Call): Reply {
    this.#now = now;
    try {
      return { id, value: performOn(this.#ledger, name, args) };
    } catch (error) {
      if (error instanceof StoreFault || error instanceof RangeError) return { id, fault: toFault(error) };
      throw error;
    }
  }
}

function writeFailed(error: unknown): StoreFault {
  const code = errorNumber(error) === sqliteFull ? 'STORE_FULL' : 'STORE_UNAVAILABLE';
  return new StoreFault(code, String(error));
}
