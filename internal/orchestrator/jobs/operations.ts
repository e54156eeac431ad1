// A store out of something that performs one operation at a time, wherever it runs.
import type { JobStore } from './job-store.ts';
import type { JobOperations } from './ledger/ledger.ts';

export type OperationName = keyof JobOperations;

const names: { readonly [K in OperationName]: true } = {
  submit: true,
  claim: true,
  renew: true,
  release: true,
  park: true,
  unpark: true,
  parkedTargets: true,
  dispatched: true,
  running: true,
  putChunk: true,
  finish: true,
  retry: true,
  cancel: true,
  redrive: true,
  get: true,
  list: true,
  events: true,
  result: true,
  resultChunk: true,
  sweep: true,
  depth: true,
  oldest: true,
  claimDeliveries: true,
  recordDelivery: true,
  redeliver: true,
};

export type Perform = (name: OperationName, args: readonly unknown[]) => Promise<unknown>;

/** Every operation of a store, each performed by its name. */
export function storeOf(perform: Perform, rest: Pick<JobStore, 'follow' | 'close'>): JobStore {
  const operations = Object.keys(names).map((name) => [
    name,
    (...args: unknown[]) => perform(name as OperationName, args),
  ]);
  return { ...Object.fromEntries(operations), ...rest } as JobStore;
}

/** The same on a ledger that is at hand. */
export function performOn(ledger: JobOperations, name: OperationName, args: readonly unknown[]): unknown {
  const operation = ledger[name] as (...args: readonly unknown[]) => unknown;
  return operation.apply(ledger, [...args]);
}
