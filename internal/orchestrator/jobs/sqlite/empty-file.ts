// The file of the job store while no job is in it. Most pods alone never have one, and the thread is 13 MiB: so the file is
// held, which keeps other processes away, and asked right here. What an empty file answers takes no time and no flush.
import type { DatabaseSync } from 'node:sqlite';
import type { JobSettings } from '../job-limits.ts';
import { openDatabase } from './database.ts';
import { GroupCommit } from './group-commit.ts';
import { type Call, toError } from './protocol.ts';

export class EmptyFile {
  readonly #db: DatabaseSync;
  readonly #group: GroupCommit;

  private constructor(db: DatabaseSync, settings: JobSettings) {
    this.#db = db;
    this.#group = new GroupCommit(db, settings);
  }

  /** Undefined for a file with jobs; throws when another process has it. */
  static open(path: string, settings: JobSettings): EmptyFile | undefined {
    const db = openDatabase(path);
    if (!db.prepare('SELECT 1 FROM jobs LIMIT 1').get()) return new EmptyFile(db, settings);
    db.close();
    return undefined;
  }

  /** Anything but a submit. */
  perform(call: Call): unknown {
    const [reply] = this.#group.perform([call]).replies;
    if (!reply || 'fault' in reply) throw toError(reply?.fault ?? { kind: 'defect', message: 'no reply' });
    return reply.value;
  }

  close(): void {
    this.#db.close();
  }
}
