// What the store and its thread say to each other.
import type { JobSettings } from '../job-limits.ts';
import { type JobChange, StoreFault, type StoreFaultCode } from '../job-store.ts';
import type { OperationName } from '../operations.ts';

export interface ThreadData {
  readonly path: string;
  readonly settings: JobSettings;
}

/** `now`: the time at which the operation happens, Unix milliseconds. */
export interface Call {
  readonly id: number;
  readonly name: OperationName;
  readonly args: readonly unknown[];
  readonly now: number;
}

export type ToThread = Call | 'close';

export interface Fault {
  readonly kind: StoreFaultCode | 'out-of-range' | 'defect';
  readonly message: string;
}

export type Reply = { readonly id: number } & ({ readonly value: unknown } | { readonly fault: Fault });

/** All calls of one transaction are answered together, after its commit. */
export interface Committed {
  readonly kind: 'committed';
  readonly replies: readonly Reply[];
  readonly changes: readonly JobChange[];
}

export type FromThread = { readonly kind: 'open' } | Committed;

export function toFault(error: unknown): Fault {
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof StoreFault) return { kind: error.code, message };
  return { kind: error instanceof RangeError ? 'out-of-range' : 'defect', message };
}

export function toError({ kind, message }: Fault): Error {
  if (kind === 'out-of-range') return new RangeError(message);
  return kind === 'defect' ? new Error(`the job store has a fault: ${message}`) : new StoreFault(kind, message);
}
