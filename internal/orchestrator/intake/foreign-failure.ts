// What a library of a door found wrong by itself, as a failure of ours, so that a caller meets one vocabulary only.
import { status } from '@grpc/grpc-js';
import { JobFailure } from '../failure/failures.ts';

export interface ForeignFacts {
  /** The whole request had arrived, so that what went wrong since is not the caller's doing. */
  readonly received: boolean;
  /** What the library takes of a message. */
  readonly maxBytes: number;
  /** What the library says of a message that it cannot read, when it is fit for the caller. */
  readonly detail?: string | undefined;
}

const unreadable = 'The message or its timeout cannot be read.';

/** `code` is a status of gRPC; Connect numbers its own alike. */
export function foreignFailure(code: number, { received, maxBytes, detail }: ForeignFacts): JobFailure {
  switch (code) {
    case status.DEADLINE_EXCEEDED:
      return new JobFailure('DEADLINE_EXCEEDED', { execution: received ? 'POSSIBLE' : 'NOT_STARTED' });
    case status.RESOURCE_EXHAUSTED:
      return messageTooLarge(maxBytes);
    case status.UNIMPLEMENTED:
      return new JobFailure('UNIMPLEMENTED', {
        detail: 'The call sends no message, or more than one, or one in a compression that is not offered.',
      });
    default:
      return received
        ? new JobFailure('INTERNAL', { execution: 'POSSIBLE' })
        : new JobFailure('INVALID_REQUEST', { detail: detail ?? unreadable });
  }
}

export function messageTooLarge(maxBytes: number): JobFailure {
  return new JobFailure('REQUEST_TOO_LARGE', { detail: `The message is larger than ${maxBytes} bytes.` });
}
