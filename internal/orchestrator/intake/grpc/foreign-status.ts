// grpc-js ends some calls by itself: a message over the bound, a compression that it cannot undo, a deadline. Those
// ends get our codes and details here, so that a caller meets one vocabulary only.
import { status } from '@grpc/grpc-js';
import { JobFailure } from '../../failure/failures.ts';
import { bounds } from '../validate/bounds.ts';
import { type CallEnd, detailsKey, toStatus } from './grpc-failure.ts';

/** `received`: the whole request had arrived, so that what went wrong since is not the caller's doing. */
export function inOurWords(ended: CallEnd, received: boolean): CallEnd {
  const isOurs = (ended.metadata?.get(detailsKey).length ?? 0) > 0;
  return isOurs || ended.code === status.OK ? ended : toStatus(foreignFailure(ended.code, received));
}

function foreignFailure(code: CallEnd['code'], received: boolean): JobFailure {
  switch (code) {
    case status.DEADLINE_EXCEEDED:
      return new JobFailure('DEADLINE_EXCEEDED', { execution: received ? 'POSSIBLE' : 'NOT_STARTED' });
    case status.RESOURCE_EXHAUSTED:
      return new JobFailure('REQUEST_TOO_LARGE', {
        detail: `The message is larger than ${bounds.maxMessageBytes} bytes.`,
      });
    case status.UNIMPLEMENTED:
      return new JobFailure('UNIMPLEMENTED', {
        detail: 'The call sends no message, or more than one, or one in a compression that is not offered.',
      });
    default:
      return received
        ? new JobFailure('INTERNAL', { execution: 'POSSIBLE' })
        : new JobFailure('INVALID_REQUEST', { detail: 'The message or its grpc-timeout cannot be read.' });
  }
}
