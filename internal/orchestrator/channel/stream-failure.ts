// Turns the end of a stream into the failure of an attempt: the one place that reads what the other end says went
// wrong. An agent may be newer than this pod, or lie: it is believed only as far as an agent can know. Another pod was
// authenticated and has judged its agent already: its word counts as this pod's own.
import { type OpenErr, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { RefusalReason, Execution as WireExecution } from '../../../gen/resproxy/v1/failure_pb.ts';
import { type StreamEnd, StreamError } from '../../wire/stream-api.ts';
import { AttemptFailure, type Refusal } from '../failure/failures.ts';
import { type Code, codeName, type Execution, failureTable } from '../failure/table.ts';

/** Who is at the other end of a stream. */
export type Speaker = 'agent' | 'pod';

/** What an agent can know of; anything else it may not decide for the pod. */
const agentCodes: ReadonlySet<Code> = new Set<Code>([
  'INVALID_REQUEST',
  'REQUEST_TOO_LARGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'EXIT_BUSY',
  'EXIT_REFUSED',
  'AGENT_DISCONNECTED',
  'DEADLINE_EXCEEDED',
  'CANCELLED',
  'DESTINATION_FORBIDDEN',
  'DESTINATION_IP_PROHIBITED',
  'DNS_NXDOMAIN',
  'DNS_FAILURE',
  'CONNECT_REFUSED',
  'CONNECT_TIMEOUT',
  'UNROUTABLE',
  'TLS_FAILURE',
  'TLS_CERTIFICATE_INVALID',
  'CONNECTION_TERMINATED',
  'RESPONSE_INCOMPLETE',
  'RESPONSE_TOO_LARGE',
  'DECOMPRESSION_LIMIT',
  'REDIRECT_LIMIT',
]);

const executions: ReadonlyMap<WireExecution, Execution> = new Map([
  [WireExecution.NOT_STARTED, 'NOT_STARTED'],
  [WireExecution.POSSIBLE, 'POSSIBLE'],
  [WireExecution.DONE, 'DONE'],
]);

const refusals: ReadonlyMap<RefusalReason, Refusal> = new Map([
  [RefusalReason.DESTINATION, 'DESTINATION'],
  [RefusalReason.PORT, 'PORT'],
  [RefusalReason.QUOTA, 'QUOTA'],
  [RefusalReason.SCHEDULE, 'SCHEDULE'],
  [RefusalReason.PAUSED, 'PAUSED'],
  [RefusalReason.CONSENT, 'CONSENT'],
]);

/** `answered`: the head of the origin's answer had come. */
export function attemptFailure(error: unknown, answered: boolean, speaker: Speaker): AttemptFailure {
  if (!(error instanceof StreamError)) return new AttemptFailure('INTERNAL', 'POSSIBLE', { cause: error });
  const { end } = error;
  switch (end.kind) {
    case 'refused':
      return refused(end.error, speaker, error);
    case 'lost':
      return end.sent
        ? new AttemptFailure('AGENT_LOST', 'POSSIBLE', { cause: error })
        : new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED', { cause: error });
    case 'reset':
      return wasReset(end, answered, speaker, error);
  }
}

function refused({ code, execution, refusal, exitId }: OpenErr, speaker: Speaker, cause: StreamError): AttemptFailure {
  return new AttemptFailure(believed(code, speaker), executions.get(execution) ?? 'POSSIBLE', {
    refusal: refusals.get(refusal),
    exitId: speaker === 'pod' && exitId !== '' ? exitId : undefined,
    cause,
  });
}

type ResetEnd = Extract<StreamEnd, { kind: 'reset' }>;

function wasReset(end: ResetEnd, answered: boolean, speaker: Speaker, cause: StreamError): AttemptFailure {
  const { code, failure, local } = end;
  const execution = answered ? 'DONE' : 'POSSIBLE';
  if (code === ResetCode.FAILED) {
    const name = believed(failure, speaker);
    const fixed = failureTable[name].execution;
    return new AttemptFailure(name, fixed === 'as-known' || fixed === 'NOT_STARTED' ? execution : fixed, { cause });
  }
  if (code === ResetCode.DEADLINE) return new AttemptFailure('DEADLINE_EXCEEDED', execution, { cause });
  if (code === ResetCode.CANCELLED && local) return new AttemptFailure('CANCELLED', execution, { cause });
  if (answered) return new AttemptFailure('RESPONSE_INCOMPLETE', 'POSSIBLE', { cause });
  return resetBeforeAnswer(code, local, speaker, cause);
}

/** Whatever this version does not know of may have been sent. */
function resetBeforeAnswer(code: ResetCode, local: boolean, speaker: Speaker, cause: StreamError): AttemptFailure {
  switch (code) {
    case ResetCode.REFUSED:
      return new AttemptFailure('EXIT_BUSY', 'NOT_STARTED', { cause });
    case ResetCode.UNSUPPORTED:
      // The agent's word is about the OPEN; a pod's about what came after it, as this end's is about the other's.
      return new AttemptFailure('INTERNAL', local || speaker === 'pod' ? 'POSSIBLE' : 'NOT_STARTED', { cause });
    case ResetCode.SHUTDOWN:
      return new AttemptFailure('AGENT_LOST', 'POSSIBLE', { cause });
    default:
      return new AttemptFailure('INTERNAL', 'POSSIBLE', { cause });
  }
}

function believed(number: number, speaker: Speaker): Code {
  const name = codeName(number);
  return name && (speaker === 'pod' || agentCodes.has(name)) ? name : 'INTERNAL';
}
