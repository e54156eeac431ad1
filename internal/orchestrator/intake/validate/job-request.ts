// A request of a caller into a job that dispatch can run, or the first fault in it. Nothing is mended and nothing is
// ignored, but for the case of country and region.

import { type HttpRequest, type RedirectPolicy, RedirectPolicy_Mode } from '../../../../gen/resproxy/v1/http_pb.ts';
import type { RetryPolicy } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import type { RunJobRequest, StreamJobRequest } from '../../../../gen/resproxy/v1/job_pb.ts';
import { checkHeaders, checkMethod, parseTarget, type RequestFault } from '../../../wire/http-rules.ts';
import type { OutboundRequest } from '../../channel/link.ts';
import type { Job } from '../../dispatch/job.ts';
import { bounds } from './bounds.ts';
import { retryRules, timeoutMs } from './durations.ts';
import { invalid, refuseUnknown, tooLarge, unimplemented } from './faults.ts';
import { checkedTarget } from './target.ts';

/** What a job has that its request does not say. */
export interface JobFacts {
  readonly id: string;
  readonly tenant: string;
  readonly receivedAt: number;
  /** What the transport leaves it. */
  readonly deadlineMs: number | undefined;
  readonly traceparent: string;
  /** This pod's own bound on attempts. */
  readonly maxAttempts: number;
}

/** RFC 9110 9.2.2, without TRACE. */
const idempotentMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** Whether the origin may see the request twice, as far as its caller or its method says. */
export function isIdempotent(method: string, retry: RetryPolicy | undefined): boolean {
  return retry?.idempotent ?? idempotentMethods.has(method);
}

export function refuseRetryOnStatus(retry: RetryPolicy | undefined): void {
  if (retry?.retryOnStatus.length)
    throw unimplemented('retry.retry_on_status', 'is for durable jobs: SubmitJob honours it');
}

/** Of a job that is not kept: RunJob without a key, and StreamJob. Throws a JobFailure that names the field. */
export function toJob(message: RunJobRequest | StreamJobRequest, facts: JobFacts): Job {
  refuseUnknown('', message);
  if (message.idempotencyKey !== '')
    throw unimplemented('idempotency_key', 'an answer that is not kept cannot be given again: RunJob honours it');
  refuseRetryOnStatus(message.retry);
  if (!message.request) throw invalid('request', 'is missing');
  const streamed = message.$typeName === 'resproxy.v1.StreamJobRequest';
  const request = outboundRequest(message.request, streamed ? 0 : bounds.maxUnaryResponseBytes);
  const ms = timeoutMs(message.timeout, facts.deadlineMs);
  return {
    id: facts.id,
    tenant: facts.tenant,
    request,
    target: checkedTarget(message.target),
    idempotent: isIdempotent(request.method, message.retry),
    receivedAt: facts.receivedAt,
    deadlineAt: facts.receivedAt + ms,
    retry: retryRules(message.retry, facts.maxAttempts),
    traceparent: facts.traceparent,
  };
}

export function outboundRequest(request: HttpRequest, mostBytes: number): OutboundRequest {
  refuseUnknown('request', request);
  const method = request.method === '' ? 'GET' : request.method;
  refuse(checkMethod(method));
  const target = parseTarget(request.url);
  if (target.kind === 'fault') throw refusal(target);
  for (let i = 0; i < request.headers.length; i++) {
    const header = request.headers[i];
    if (header?.$unknown) refuseUnknown(`request.headers[${i}]`, header);
  }
  refuse(checkHeaders(request.headers, target.authority));
  if (request.body.length > bounds.maxRequestBodyBytes)
    throw tooLarge('request.body', `is larger than ${bounds.maxRequestBodyBytes} bytes`);
  return {
    method,
    url: target.url,
    headers: request.headers,
    body: request.body,
    maxRedirects: maxRedirects(request.redirects),
    decompress: request.decompress,
    maxResponseBytes: maxResponseBytes(request.maxResponseBytes, mostBytes),
  };
}

function maxRedirects(policy: RedirectPolicy | undefined): number {
  if (!policy) return bounds.defaultRedirects;
  refuseUnknown('request.redirects', policy);
  if (policy.maxRedirects > bounds.maxRedirects)
    throw invalid('request.redirects.max_redirects', `must be at most ${bounds.maxRedirects}`);
  switch (policy.mode) {
    case RedirectPolicy_Mode.UNSPECIFIED:
    case RedirectPolicy_Mode.FOLLOW:
      return policy.maxRedirects === 0 ? bounds.defaultRedirects : policy.maxRedirects;
    case RedirectPolicy_Mode.NONE:
      if (policy.maxRedirects > 0) throw invalid('request.redirects.max_redirects', 'says nothing with MODE_NONE');
      return 0;
    default:
      throw unimplemented('request.redirects.mode', 'this version knows no such mode');
  }
}

/** `most` is 0 where the call sets no bound of its own. */
function maxResponseBytes(asked: bigint, most: number): number {
  if (most === 0) return asked > Number.MAX_SAFE_INTEGER ? Number.MAX_SAFE_INTEGER : Number(asked);
  if (asked > most)
    throw invalid('request.max_response_bytes', `must be at most ${most} here; StreamJob has no such bound`);
  return asked === 0n ? most : Number(asked);
}

function refuse(fault: RequestFault | undefined): void {
  if (fault) throw refusal(fault);
}

function refusal({ field, detail, tooLarge: isTooLarge }: RequestFault): Error {
  return isTooLarge ? tooLarge(`request.${field}`, detail) : invalid(`request.${field}`, detail);
}
