// The file of the job store, opened for one process alone. What an acknowledgement means is decided here: WAL with
// synchronous=FULL, so that whatever was committed survives the process, the machine and its power.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { isNativeError } from 'node:util/types';
import { migrate } from './schema.ts';

/** A process that was just replaced may still be closing the file. */
const lockPatienceMs = 2_000;
/** 16 MiB of pages. */
const cacheKiB = 16_384;
const sqliteBusy = 5;

/** The lock is the system's own and ends with the process, however that ends. */
export function openDatabase(path: string): DatabaseSync {
  if (path !== ':memory:') mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(path, { timeout: lockPatienceMs });
  try {
    db.exec('PRAGMA locking_mode = EXCLUSIVE');
    db.exec('PRAGMA journal_mode = WAL');
    db.exec(`PRAGMA synchronous = FULL; PRAGMA cache_size = -${cacheKiB}; PRAGMA temp_store = MEMORY`);
    db.exec('BEGIN EXCLUSIVE; COMMIT');
    migrate(db);
    endLeases(db);
    return db;
  } catch (error) {
    db.close();
    if (errorNumber(error) === sqliteBusy) throw new Error(`another process uses the job store ${path}`);
    throw error;
  }
}

/** Whoever held a job had the file for itself, and has gone: the next sweep finds each lease over. */
function endLeases(db: DatabaseSync): void {
  db.exec('UPDATE jobs SET alarm_lease = 0 WHERE alarm_lease IS NOT NULL');
}

/** SQLite's primary result code; undefined for errors of another kind. */
export function errorNumber(error: unknown): number | undefined {
  if (!(isNativeError(error) && 'errcode' in error)) return undefined;
  return Number(error.errcode) & 0xff;
}
