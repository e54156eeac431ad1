// The tables, and how an older file becomes one of today: each migration runs once, in its order, in one transaction.
// A record is JSON; the columns beside it are what is searched by. Every search has an index that holds only the rows it
// is about, so that no cost grows with the jobs that are not asked for.
import type { DatabaseSync } from 'node:sqlite';

const first = `
  CREATE TABLE jobs (
    sequence INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    job_id TEXT NOT NULL,
    idempotency_key TEXT,
    priority INTEGER NOT NULL,
    ready INTEGER NOT NULL,
    parked_under TEXT NOT NULL,
    alarm_ready INTEGER,
    alarm_expiry INTEGER,
    alarm_lease INTEGER,
    alarm_result INTEGER,
    alarm_removal INTEGER,
    alarm_delivery INTEGER,
    record TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX jobs_by_id ON jobs (tenant, job_id);
  CREATE INDEX jobs_by_age ON jobs (tenant, sequence);
  CREATE INDEX jobs_by_key ON jobs (tenant, idempotency_key, sequence) WHERE idempotency_key IS NOT NULL;
  CREATE INDEX jobs_ready ON jobs (tenant, priority DESC, sequence) WHERE ready = 1;
  CREATE INDEX jobs_parked ON jobs (parked_under, sequence) WHERE parked_under <> '';
  CREATE INDEX jobs_alarm_ready ON jobs (alarm_ready, sequence) WHERE alarm_ready IS NOT NULL;
  CREATE INDEX jobs_alarm_expiry ON jobs (alarm_expiry, sequence) WHERE alarm_expiry IS NOT NULL;
  CREATE INDEX jobs_alarm_lease ON jobs (alarm_lease, sequence) WHERE alarm_lease IS NOT NULL;
  CREATE INDEX jobs_alarm_result ON jobs (alarm_result, sequence) WHERE alarm_result IS NOT NULL;
  CREATE INDEX jobs_alarm_removal ON jobs (alarm_removal, sequence) WHERE alarm_removal IS NOT NULL;
  CREATE INDEX jobs_alarm_delivery ON jobs (alarm_delivery, sequence) WHERE alarm_delivery IS NOT NULL;

  CREATE TABLE events (
    job INTEGER NOT NULL, sequence INTEGER NOT NULL, event TEXT NOT NULL, PRIMARY KEY (job, sequence)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE bytes (job INTEGER NOT NULL, name TEXT NOT NULL, data BLOB NOT NULL) STRICT;
  CREATE UNIQUE INDEX bytes_by_name ON bytes (job, name);
  CREATE TABLE turns (tenant TEXT PRIMARY KEY, at INTEGER NOT NULL UNIQUE, remaining INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

/** Since when which job waits, for what. */
const waiting = `
  ALTER TABLE jobs ADD COLUMN waiting_for TEXT;
  ALTER TABLE jobs ADD COLUMN ready_at INTEGER;
  UPDATE jobs SET ready_at = json_extract(record, '$.readyAt'),
    waiting_for = CASE WHEN parked_under <> '' THEN 'exit' ELSE 'claim' END
    WHERE ready = 1 OR alarm_ready IS NOT NULL OR parked_under <> '';
  CREATE INDEX jobs_waiting ON jobs (waiting_for, priority, ready_at) WHERE waiting_for IS NOT NULL;
`;

const migrations: readonly string[] = [first, waiting];

export function migrate(db: DatabaseSync): void {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version);
  if (version > migrations.length) {
    throw new Error(`the job store has schema ${version}; this version knows ${migrations.length} at most`);
  }
  if (version === migrations.length) return;
  db.exec('BEGIN IMMEDIATE');
  for (const statements of migrations.slice(version)) db.exec(statements);
  db.exec(`PRAGMA user_version = ${migrations.length}`);
  db.exec('COMMIT');
}
