// A step in the store that is said again while no answer comes: every step of a store is safe to repeat. A command that
// timed out may still run, so giving up means not to know.
import { fullJitterMs } from '../../../kit/backoff.ts';
import { type Clock, type Random, sleep } from '../../../kit/clock.ts';
import type { JobFailure } from '../../failure/failures.ts';
import { asStoreFailure } from './store-failure.ts';

export interface Insistence {
  readonly clock: Clock;
  readonly random: Random;
}

const maxTries = 3;
const minPauseMs = 50;
const maxPauseMs = 200;

/** Rejects with a JobFailure; STORE_UNAVAILABLE means that the step may have been taken. */
export async function insist<T>(step: () => Promise<T>, { clock, random }: Insistence): Promise<T> {
  for (let tries = 1; ; tries++) {
    let failure: JobFailure;
    try {
      return await step();
    } catch (error) {
      failure = asStoreFailure(error);
    }
    if (failure.code !== 'STORE_UNAVAILABLE' || tries === maxTries) throw failure;
    await sleep(clock, fullJitterMs(tries, minPauseMs, maxPauseMs, random));
  }
}
