// How this pod tells another one that a job came to nothing: the counterpart of channel/stream-failure.ts.
import { RelayRefusal } from '../../../gen/resproxy/v1/channel_pb.ts';
import { Execution, RefusalReason } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { RefusedOpen } from '../../wire/stream-api.ts';
import { AttemptFailure } from '../failure/failures.ts';
import { codeNumber } from '../failure/table.ts';

/** `exitId`: the exit that was used, when it is not the one that was asked. */
export function failedJob(failure: AttemptFailure, exitId: string): RefusedOpen {
  const { code, execution, refusal } = failure;
  return {
    code: codeNumber(code),
    execution: Execution[execution],
    refusal: refusal ? RefusalReason[refusal] : RefusalReason.UNSPECIFIED,
    exitId,
  };
}

/** The job went to no agent: the other pod should look elsewhere, or anew. */
export function refusedJob(failure: AttemptFailure): RefusedOpen {
  return { ...failedJob(failure, ''), relay: relayRefusal(failure) };
}

function relayRefusal({ code }: AttemptFailure): RelayRefusal {
  if (code === 'EXIT_BUSY') return RelayRefusal.BUSY;
  return code === 'AGENT_DISCONNECTED' ? RelayRefusal.NOT_HERE : RelayRefusal.UNSPECIFIED;
}

/** Foreign errors are faults of ours, and nothing is known of what was sent. */
export function asAttemptFailure(error: unknown): AttemptFailure {
  return error instanceof AttemptFailure ? error : new AttemptFailure('INTERNAL', 'POSSIBLE', { cause: error });
}
