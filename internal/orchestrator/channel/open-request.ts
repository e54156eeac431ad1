// An attempt as OPEN carries it, to an agent or to another pod. On the path of every job: nothing is copied.
import type { OpenRequest } from '../../wire/mux-api.ts';
import type { ExchangeRequest } from './link.ts';

const noKey = new Uint8Array();

/** To the agent, which knows the exit by its name. */
export function toOpenRequest(request: ExchangeRequest, exit: string, isolationKey: Uint8Array): OpenRequest {
  return openRequest(request, exit, isolationKey, undefined);
}

/** To the pod that holds the agent: it judges the job itself, and makes the isolation key. */
export function toRelayRequest(request: ExchangeRequest): OpenRequest {
  const { exitId, tenant, target, tried } = request;
  return openRequest(request, exitId, noKey, { tenant, target, triedExitIds: tried });
}

function openRequest(
  request: ExchangeRequest,
  exit: string,
  isolationKey: Uint8Array,
  relay: OpenRequest['relay'],
): OpenRequest {
  return {
    exit,
    kind: { case: 'http', value: request.request },
    deadlineMs: Math.max(1, Math.ceil(request.deadlineMs)),
    jobId: request.jobId,
    attempt: request.attempt,
    idempotent: request.idempotent,
    isolationKey,
    traceparent: request.traceparent,
    relay,
  };
}
