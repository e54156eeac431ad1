// Whatever a service threw, as the one error that doors know how to tell. Anything that is not a JobFailure is a fault
// of ours: the caller learns no particulars, the log does.
import type { Logger } from '../../kit/log.ts';
import { JobFailure } from '../failure/failures.ts';

export function asFailure(error: unknown): JobFailure {
  return error instanceof JobFailure ? error : new JobFailure('INTERNAL', { cause: error });
}

/** Every INTERNAL is a defect that somebody must see. */
export function logDefect(log: Logger, failure: JobFailure, requestId: string): void {
  if (failure.code === 'INTERNAL')
    log.error({ err: failure.cause ?? failure, requestId, jobId: failure.jobId }, 'a call met a defect');
}
