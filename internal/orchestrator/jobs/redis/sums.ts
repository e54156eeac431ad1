// What the partitions say, as one.
import type { OldestRow, Swept, WaitingFor } from '../job-store.ts';

export function sumOf(parts: readonly Swept[]): Swept {
  const sum = { requeued: 0, retried: 0, unknown: 0, dead: 0, expired: 0, deleted: 0 };
  for (const part of parts) {
    for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += part[name];
  }
  return { ...sum, more: parts.some(({ more }) => more) };
}

/** Counters of several hashes, as HGETALL tells them, by name. */
export function merged(hashes: readonly unknown[]): [name: string, count: number][] {
  const counts = new Map<string, number>();
  for (const hash of hashes) {
    const flat = hash as readonly string[];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      const name = flat[i] ?? '';
      counts.set(name, (counts.get(name) ?? 0) + Number(flat[i + 1]));
    }
  }
  return [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The longest wait of each kind, of what the script `oldest` tells of each partition. */
export function oldestOf(parts: readonly unknown[]): OldestRow[] {
  const rows = new Map<string, OldestRow>();
  for (const part of parts) {
    const flat = part as readonly (string | number)[];
    for (let i = 0; i + 2 < flat.length; i += 3) {
      const row = {
        waitingFor: flat[i] as WaitingFor,
        priority: Number(flat[i + 1]),
        waitedMs: Number(flat[i + 2]),
      };
      const name = `${row.waitingFor}/${row.priority}`;
      if (row.waitedMs > (rows.get(name)?.waitedMs ?? -1)) rows.set(name, row);
    }
  }
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
}
