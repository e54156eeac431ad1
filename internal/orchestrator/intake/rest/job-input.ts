// The JSON of POST /jobs as a SubmitJobRequest, which has all that a RunJobRequest has. Unknown fields are refused by name; what a field may hold is for the
// service to say, but for what a message cannot carry.
import type { Duration } from '@bufbuild/protobuf/wkt';
import * as z from 'zod';
import type { SubmitJobRequest } from '../../../../gen/resproxy/v1/durable_job_pb.ts';
import type { HttpRequest } from '../../../../gen/resproxy/v1/http_pb.ts';
import type { RetryPolicy } from '../../../../gen/resproxy/v1/job_parts_pb.ts';
import type { RunJobRequest } from '../../../../gen/resproxy/v1/job_pb.ts';
import type { Target } from '../../../../gen/resproxy/v1/target_pb.ts';
import { JobFailure } from '../../failure/failures.ts';
import { toDuration } from '../job-messages.ts';
import { bounds } from '../validate/bounds.ts';
import { invalid, tooLarge } from '../validate/faults.ts';

/** A job of either kind; which one it is, the query may say too. */
export interface JobInput {
  readonly sync: boolean;
  readonly request: SubmitJobRequest;
  /** The first field of a durable job that was given. */
  readonly durableField: string | undefined;
}

type Headers = HttpRequest['headers'];

/** The message for a value of the wrong kind, or for none. */
const must = (be: string) => ({
  error: (issue: { readonly code?: string; readonly input?: unknown }) =>
    issue.input === undefined ? 'is missing' : `must be ${be}`,
});
const text = z.string(must('a string'));
const asnRange = `must be a whole number from 0 to ${bounds.maxAsn}`;
const targetSchema = z.strictObject(
  {
    country: text.default(''),
    region: text.default(''),
    city: text.default(''),
    asn: z.int(asnRange).min(0, asnRange).max(bounds.maxAsn, asnRange).default(0),
    exitId: text.default(''),
    labels: z.unknown().optional(),
  },
  must('an object'),
);
const wholeNumber = 'must be a whole number from 0 on';
/** What a duration and a number of a message can carry; what may be asked is for the service to say. */
const count = z
  .int(wholeNumber)
  .min(0, wholeNumber)
  .max(2 ** 32 - 1, wholeNumber);
const ms = z.int(wholeNumber).min(0, wholeNumber);
const flag = z.boolean('must be true or false');
const retrySchema = z.strictObject(
  {
    maxAttempts: count.default(0),
    initialBackoffMs: ms.optional(),
    maxBackoffMs: ms.optional(),
    idempotent: flag.optional(),
    retryOnStatus: z.array(count, must('a list of statuses')).default([]),
  },
  must('an object'),
);
const timeoutRange = `must be a whole number from ${bounds.minTimeoutMs} to ${bounds.maxTimeoutMs}`;
const jobSchema = z.strictObject(
  {
    url: text,
    method: text.default(''),
    headers: z.unknown().optional(),
    body: text.default(''),
    bodyEncoding: z.enum(['utf8', 'base64'], 'must be utf8 or base64').default('utf8'),
    timeoutMs: z
      .int(timeoutRange)
      .min(bounds.minTimeoutMs, timeoutRange)
      .max(bounds.maxTimeoutMs, timeoutRange)
      .optional(),
    target: targetSchema.optional(),
    sync: flag.default(false),
    idempotencyKey: text.default(''),
    retry: retrySchema.optional(),
    priority: count.optional(),
    delayMs: ms.optional(),
    queueTimeoutMs: ms.optional(),
    labels: z.unknown().optional(),
    atMostOnce: flag.optional(),
    callback: z.strictObject({ url: text }, must('an object')).optional(),
  },
  must('an object'),
);
/** What only a durable job can have. */
const durableFields = ['priority', 'delayMs', 'queueTimeoutMs', 'labels', 'atMostOnce', 'callback'] as const;

/** Throws a JobFailure that names the field. */
export function toJobInput(value: unknown): JobInput {
  const parsed = jobSchema.safeParse(value);
  if (!parsed.success) throw faultOf(parsed.error.issues[0]);
  const job = parsed.data;
  return {
    sync: job.sync,
    durableField: durableFields.find((name) => job[name] !== undefined),
    request: {
      $typeName: 'resproxy.v1.SubmitJobRequest',
      request: toRequest(job),
      target: job.target && toTarget(job.target),
      timeout: toTime(job.timeoutMs),
      idempotencyKey: job.idempotencyKey,
      retry: job.retry && toRetry(job.retry),
      priority: job.priority,
      delay: toTime(job.delayMs),
      queueTimeout: toTime(job.queueTimeoutMs),
      labels: toLabels('labels', job.labels),
      atMostOnce: job.atMostOnce ?? false,
      callback: job.callback && { $typeName: 'resproxy.v1.Callback', url: job.callback.url },
    },
  };
}

/** The part of it that its caller can wait for. */
export function toRunJobRequest(request: SubmitJobRequest): RunJobRequest {
  const { request: asked, target, timeout, idempotencyKey, retry } = request;
  return { $typeName: 'resproxy.v1.RunJobRequest', request: asked, target, timeout, idempotencyKey, retry };
}

function toRequest({ url, method, headers, body, bodyEncoding }: z.output<typeof jobSchema>): HttpRequest {
  return {
    $typeName: 'resproxy.v1.HttpRequest',
    url,
    method,
    headers: toHeaders(headers),
    body: bodyEncoding === 'base64' ? fromBase64(body) : Buffer.from(body),
    decompress: false,
    maxResponseBytes: 0n,
  };
}

function toRetry(retry: z.output<typeof retrySchema>): RetryPolicy {
  return {
    $typeName: 'resproxy.v1.RetryPolicy',
    maxAttempts: retry.maxAttempts,
    initialBackoff: toTime(retry.initialBackoffMs),
    maxBackoff: toTime(retry.maxBackoffMs),
    idempotent: retry.idempotent,
    retryOnStatus: retry.retryOnStatus,
  };
}

function toTime(milliseconds: number | undefined): Duration | undefined {
  return milliseconds === undefined ? undefined : toDuration(milliseconds);
}

function faultOf(issue: z.core.$ZodIssue | undefined): Error {
  const path = (issue?.path ?? []).map(String);
  if (issue?.code === 'unrecognized_keys') return invalid([...path, issue.keys[0]].join('.'), 'is no field of a job');
  const detail = issue?.message ?? 'is not valid';
  return path.length > 0
    ? invalid(path.join('.'), detail)
    : new JobFailure('INVALID_REQUEST', { detail: `The JSON ${detail}.` });
}

/** `{name: value | [values]}` or `[[name, value], ...]`, in the order of writing. */
function toHeaders(headers: unknown): Headers {
  if (headers === undefined) return [];
  if (Array.isArray(headers)) return headers.map(toPair);
  if (typeof headers !== 'object' || headers === null)
    throw invalid('headers', 'must be an object of values by name, or a list of [name, value] pairs');
  return Object.entries(headers).flatMap(([name, values]: [string, unknown]) =>
    (Array.isArray(values) ? values : [values]).map((value) => toHeader(`headers.${name}`, name, value)),
  );
}

function toPair(pair: unknown, i: number): Headers[number] {
  const field = `headers[${i}]`;
  if (!Array.isArray(pair) || pair.length !== 2) throw invalid(field, 'must be a pair of name and value');
  return toHeader(field, pair[0], pair[1]);
}

function toHeader(field: string, name: unknown, value: unknown): Headers[number] {
  if (typeof name !== 'string' || typeof value !== 'string') throw invalid(field, 'must be a string');
  return { $typeName: 'resproxy.v1.Header', name, value };
}

function toTarget({ labels, ...target }: z.output<typeof targetSchema>): Target {
  return { $typeName: 'resproxy.v1.Target', ...target, labels: toLabels('target.labels', labels) };
}

/** Keeps a label of every name, those that mean something to objects included. */
function toLabels(field: string, labels: unknown): Record<string, string> {
  const checked: Record<string, string> = Object.create(null);
  if (labels === undefined) return checked;
  if (typeof labels !== 'object' || labels === null || Array.isArray(labels))
    throw invalid(field, 'must be an object of values by name');
  for (const [name, value] of Object.entries(labels)) {
    if (typeof value !== 'string') throw invalid(`${field}.${name}`, 'must be a string');
    checked[name] = value;
  }
  return checked;
}

/** RFC 4648 4, with its padding: what is written otherwise may have lost a part. */
function fromBase64(body: string): Buffer {
  if (body.length > Math.ceil(bounds.maxRequestBodyBytes / 3) * 4)
    throw tooLarge('request.body', `is larger than ${bounds.maxRequestBodyBytes} bytes`);
  const bytes = Buffer.from(body, 'base64');
  if (bytes.toString('base64') !== body) throw invalid('request.body', 'is not base64 (RFC 4648, with padding)');
  return bytes;
}
