// grpc-js ends some calls by itself: a message over the bound, a compression that it cannot undo, a deadline. Those
// ends get our codes and details here.
import { status } from '@grpc/grpc-js';
import { foreignFailure } from '../foreign-failure.ts';
import { bounds } from '../validate/bounds.ts';
import { type CallEnd, detailsKey, toStatus } from './grpc-failure.ts';

const maxBytes = bounds.maxMessageBytes;

export function inOurWords(ended: CallEnd, received: boolean): CallEnd {
  const isOurs = (ended.metadata?.get(detailsKey).length ?? 0) > 0;
  return isOurs || ended.code === status.OK ? ended : toStatus(foreignFailure(ended.code, { received, maxBytes }));
}
