// A SubmitJobRequest into what the store keeps, or the first fault in it. As with every request, nothing is mended and
// nothing is ignored.
import { createHash } from 'node:crypto';
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { Callback, SubmitJobRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { RetryPolicy } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import type { IdempotencyKey, NewJob } from '../../jobs/job.ts';
import { encodeAbout, encodeSpec, type JobSpec } from '../../queue/job-spec.ts';
import type { Caller } from '../auth/caller.ts';
import { bounds } from '../validate/bounds.ts';
import { retryRules, timeoutMs, toMs } from '../validate/durations.ts';
import { invalid, refuseUnknown, tooLarge } from '../validate/faults.ts';
import { isIdempotent, outboundRequest } from '../validate/job-request.ts';
import { checkedTarget } from '../validate/target.ts';
import { durableBounds } from './durable-bounds.ts';

/** What a durable job has that its request does not say. */
export interface SubmitFacts {
  readonly jobId: string;
  readonly caller: Pick<Caller, 'name' | 'tenant'>;
  readonly traceparent: string;
  /** This deployment's own bound on attempts. */
  readonly maxAttempts: number;
  /** How long an ended job and its result are kept. */
  readonly resultTtlMs: number;
  /** What is wrong with a callback's receiver, completing "callback.url ..."; undefined when nothing is. */
  readonly callbackFault: (url: URL) => string | undefined;
}

const keyPattern = /^[\x21-\x7e]{1,255}$/;
const labelPattern = /^[A-Za-z0-9._/-]{1,63}$/;

/** Throws a JobFailure that names the field. */
export function toNewJob(message: SubmitJobRequest, facts: SubmitFacts): NewJob {
  refuseUnknown('', message);
  const spec = toSpec(message, facts);
  const { method, url } = spec.request;
  const delay = delayMs(message.delay);
  const job = {
    tenant: facts.caller.tenant,
    jobId: facts.jobId,
    spec: encodeSpec(spec),
    about: encodeAbout({ caller: facts.caller.name, method, url }),
    labels: checkedLabels(message.labels),
    priority: priority(message.priority),
    idempotent: spec.idempotent,
    maxAttempts: spec.retry.maxAttempts,
    delayMs: delay,
    queueMs: delay + queueMs(message.queueTimeout),
    resultTtlMs: facts.resultTtlMs,
    keepMs: Math.max(facts.resultTtlMs, durableBounds.keyTtlMs),
    callback: message.callback && callback(message.callback, facts),
  };
  return { ...job, key: idempotencyKey(message.idempotencyKey, job, spec) };
}

function toSpec(message: SubmitJobRequest, { maxAttempts, traceparent }: SubmitFacts): JobSpec {
  if (!message.request) throw invalid('request', 'is missing');
  const request = outboundRequest(message.request, bounds.maxUnaryResponseBytes);
  if (message.atMostOnce && message.retry?.idempotent)
    throw invalid('at_most_once', 'contradicts retry.idempotent: set one of them');
  const idempotent = !message.atMostOnce && isIdempotent(request.method, message.retry);
  return {
    request,
    target: checkedTarget(message.target),
    idempotent,
    timeoutMs: timeoutMs(message.timeout, undefined),
    retry: retryRules(message.retry, maxAttempts),
    retryOnStatus: retryStatuses(message.retry, idempotent),
    traceparent,
  };
}

/** An answer means that the origin has seen the request: only a job that may be repeated can be tried again after it. */
function retryStatuses(retry: RetryPolicy | undefined, idempotent: boolean): readonly number[] {
  const statuses = retry?.retryOnStatus ?? [];
  const field = 'retry.retry_on_status';
  if (statuses.length === 0) return [];
  if (!idempotent) throw invalid(field, 'would repeat a job that the origin may see once only: set retry.idempotent');
  if (statuses.length > durableBounds.maxRetryStatuses)
    throw invalid(field, `has more than ${durableBounds.maxRetryStatuses} statuses`);
  if (statuses.some((status) => status < 100 || status > 599)) throw invalid(field, 'must hold statuses of 100 to 599');
  return statuses;
}

function priority(asked: number | undefined): number {
  if (asked === undefined) return durableBounds.defaultPriority;
  if (asked > durableBounds.maxPriority) throw invalid('priority', `must be 0 to ${durableBounds.maxPriority}`);
  return asked;
}

function delayMs(delay: Duration | undefined): number {
  const ms = delay ? Math.ceil(toMs('delay', delay)) : 0;
  if (ms < 0 || ms > durableBounds.maxDelayMs) throw invalid('delay', 'must be 0 to 30 days');
  return ms;
}

function queueMs(timeout: Duration | undefined): number {
  if (!timeout) return durableBounds.defaultQueueMs;
  const ms = Math.ceil(toMs('queue_timeout', timeout));
  if (ms < durableBounds.minQueueMs || ms > durableBounds.maxQueueMs)
    throw invalid('queue_timeout', 'must be 1 s to 30 days; leave it out for 24 h');
  return ms;
}

function checkedLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const entries = Object.entries(labels);
  if (entries.length > durableBounds.maxLabels) throw invalid('labels', `are more than ${durableBounds.maxLabels}`);
  if (!entries.every((entry) => entry.every((text) => labelPattern.test(text))))
    throw invalid(
      'labels',
      'must have names and values of 1 to 63 letters, digits, dots, dashes, slashes or underscores',
    );
  return labels;
}

/** How long it may wait and which trace it belongs to make it no other job. */
function idempotencyKey(
  key: string,
  { labels, priority, delayMs: delay, callback: receiver }: Omit<NewJob, 'key'>,
  spec: JobSpec,
): IdempotencyKey | undefined {
  if (key === '') return undefined;
  if (!keyPattern.test(key)) throw invalid('idempotency_key', 'must be 1 to 255 visible ASCII characters');
  const sorted = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  const told = JSON.stringify([sorted, priority, delay, receiver && Buffer.from(receiver).toString()]);
  const digest = createHash('sha256')
    .update(`${told}\n`)
    .update(encodeSpec({ ...spec, traceparent: '' }));
  return { key, fingerprint: digest.digest('base64url'), ttlMs: durableBounds.keyTtlMs };
}

function callback(message: Callback, { callbackFault }: SubmitFacts): Uint8Array {
  refuseUnknown('callback', message);
  const field = 'callback.url';
  if (message.url.length > durableBounds.maxCallbackUrlBytes)
    throw tooLarge(field, `is longer than ${durableBounds.maxCallbackUrlBytes} characters`);
  const url = URL.parse(message.url);
  if (!url) throw invalid(field, 'must be a URL, such as https://example.org/hook');
  if (url.username !== '' || url.password !== '') throw invalid(field, 'must not carry credentials');
  const fault = callbackFault(url);
  if (fault !== undefined) throw invalid(field, fault);
  return Buffer.from(JSON.stringify({ url: url.href }));
}
