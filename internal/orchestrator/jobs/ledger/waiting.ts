// Which jobs wait, what for, and since when. Age is counted from when a job might be claimed for its next attempt; trying an
// exit in vain does not begin it anew.
import { jobLimits } from '../job-limits.ts';
import type { OldestRow, WaitingFor } from '../job-store.ts';
import type { Shelf, StoredJob } from './shelf.ts';

const reasons: readonly WaitingFor[] = ['claim', 'exit'];

/** A job whose time has not come waits for its claim already; undefined for one that is held or over. */
export function waitingFor({ parkedUnder, ready, alarms }: StoredJob): WaitingFor | undefined {
  if (parkedUnder !== '') return 'exit';
  return ready || alarms.ready !== undefined ? 'claim' : undefined;
}

export function oldestWaiting(shelf: Shelf, now: number): OldestRow[] {
  const rows: OldestRow[] = [];
  for (const reason of reasons) {
    for (let priority = 0; priority <= jobLimits.maxPriority; priority++) {
      const since = shelf.waitsSince(reason, priority, now);
      if (since !== undefined) rows.push({ waitingFor: reason, priority, waitedMs: now - since });
    }
  }
  return rows;
}
