// Turns the end of a stream into the failure of an attempt: the one place that reads what agents say went wrong. An
// agent may be newer than this pod, or lie; what it says is believed only as far as an agent can know it.
import { type OpenErr, ResetCode } from '../../../gen/resproxy/v1/channel_pb.ts';
import { RefusalReason, Execution as WireExecution } from '../../../gen/resproxy/v1/failure_pb.ts';
import { type StreamEnd, StreamError } from '../../wire/stream-api.ts';
import { AttemptFailure, type Refusal } from '../failure/failures.ts';
import { type Code, codeName, type Execution, failureTable } from '../failure/table.ts';

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
export function attemptFailure(error: unknown, answered: boolean): AttemptFailure {
  if (!(error instanceof StreamError)) return new AttemptFailure('INTERNAL', 'POSSIBLE', { cause: error });
  const { end } = error;
  switch (end.kind) {
    case 'refused':
      return refused(end.error);
    case 'lost':
      return end.sent
        ? new AttemptFailure('AGENT_LOST', 'POSSIBLE', { cause: error })
        : new AttemptFailure('AGENT_DISCONNECTED', 'NOT_STARTED', { cause: error });
    case 'reset':
      return wasReset(end, answered, error);
  }
}

function refused({ code, execution, refusal }: OpenErr): AttemptFailure {
  return new AttemptFailure(agentCode(code), executions.get(execution) ?? 'POSSIBLE', {
    refusal: refusals.get(refusal),
  });
}

type ResetEnd = Extract<StreamEnd, { kind: 'reset' }>;

function wasReset({ code, failure, local }: ResetEnd, answered: boolean, cause: StreamError): AttemptFailure {
  const execution = answered ? 'DONE' : 'POSSIBLE';
  if (code === ResetCode.FAILED) {
    const name = agentCode(failure);
    const fixed = failureTable[name].execution;
    return new AttemptFailure(name, fixed === 'as-known' || fixed === 'NOT_STARTED' ? execution : fixed, { cause });
  }
  if (code === ResetCode.DEADLINE) return new AttemptFailure('DEADLINE_EXCEEDED', execution, { cause });
  if (code === ResetCode.CANCELLED && local) return new AttemptFailure('CANCELLED', execution, { cause });
  if (answered) return new AttemptFailure('RESPONSE_INCOMPLETE', 'POSSIBLE', { cause });
  return resetBeforeAnswer(code, local, cause);
}

/** Whatever this version does not know of may have been sent. */
function resetBeforeAnswer(code: ResetCode, local: boolean, cause: StreamError): AttemptFailure {
  switch (code) {
    case ResetCode.REFUSED:
      return new AttemptFailure('EXIT_BUSY', 'NOT_STARTED', { cause });
    case ResetCode.UNSUPPORTED:
      // The agent's word is about the OPEN; this end's is about what the agent said after it.
      return new AttemptFailure('INTERNAL', local ? 'POSSIBLE' : 'NOT_STARTED', { cause });
    case ResetCode.SHUTDOWN:
      return new AttemptFailure('AGENT_LOST', 'POSSIBLE', { cause });
    default:
      return new AttemptFailure('INTERNAL', 'POSSIBLE', { cause });
  }
}

function agentCode(number: number): Code {
  const name = codeName(number);
  return name && agentCodes.has(name) ? name : 'INTERNAL';
}
