// What a store could not do, as the caller is told.
import { JobFailure } from '../../failure/failures.ts';
import { StoreFault } from '../../jobs/job-store.ts';
import { asFailure } from '../as-failure.ts';

/** What the store answers, or a JobFailure. */
export async function ask<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw asStoreFailure(error);
  }
}

export function asStoreFailure(error: unknown): JobFailure {
  if (error instanceof StoreFault) return new JobFailure(error.code, { cause: error });
  return asFailure(error);
}
