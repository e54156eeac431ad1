// Asks a program that runs with the probe (probe-main.ts), and Linux, what it holds.
import { readFileSync } from 'node:fs';
import type { Program } from '../tests/harness/process.ts';

export interface Probe {
  readonly rss: number;
  readonly heapUsed: number;
  /** Bytes outside the heap, array buffers among them. */
  readonly external: number;
  readonly lagP99Ms: number;
  readonly lagMaxMs: number;
}

export const KiB = 1024;
export const MiB = 1024 * KiB;

/** What the program holds after its garbage is collected, and its loop lag since it was last asked. */
export async function probe(program: Program): Promise<Probe> {
  await program.waitForLog('has its probe', ({ msg }) => msg === 'probed');
  const from = program.logs.length;
  program.signal('SIGUSR2');
  return (await program.waitForLog('answers the probe', ({ msg }) => msg === 'probe', { from })) as unknown as Probe;
}

/** The most memory that was ever resident. */
export function peakResidentBytes(pid: number): number {
  const [, kibibytes = 'NaN'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kibibytes) * KiB;
}
