// CPU time of a process as Linux counts it: user and system, in microseconds.
import { readFileSync } from 'node:fs';

/** USER_HZ: 100 on every Linux that Node supports. */
const microsecondsPerTick = 10_000;

export function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold spaces; utime and stime are fields 14 and 15, counted from 1.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * microsecondsPerTick;
}
