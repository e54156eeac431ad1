// What a durable job asks, as the bytes that a store keeps: a length, JSON, and the body as it is. Pods of two versions
// may share a store; what a newer one wrote and this one does not know is refused, never ignored.
import * as z from 'zod';
import type { OutboundRequest } from '../channel/link.ts';
import type { RetryRules } from '../dispatch/job.ts';
import type { Target } from '../route/candidate.ts';

export interface JobSpec {
  readonly request: OutboundRequest;
  readonly target: Target;
  readonly idempotent: boolean;
  /** Of each attempt. */
  readonly timeoutMs: number;
  readonly retry: RetryRules;
  /** Answers that count as failures of the attempt. */
  readonly retryOnStatus: readonly number[];
  readonly traceparent: string;
}

/** What lists and records show of a job's request. */
export interface JobAbout {
  /** Name of the caller that submitted it. */
  readonly caller: string;
  readonly method: string;
  readonly url: string;
}

const lengthBytes = 4;
const count = z.int().min(0);
const headSchema = z.strictObject({
  request: z.strictObject({
    method: z.string(),
    url: z.string(),
    headers: z.array(z.strictObject({ name: z.string(), value: z.string() })),
    maxRedirects: count,
    decompress: z.boolean(),
    maxResponseBytes: count,
  }),
  target: z.strictObject({
    country: z.string(),
    region: z.string(),
    city: z.string(),
    asn: count,
    exitId: z.string(),
    labels: z.array(z.tuple([z.string(), z.string()])),
  }),
  idempotent: z.boolean(),
  timeoutMs: z.number().positive(),
  retry: z.strictObject({ maxAttempts: count, initialBackoffMs: z.number().min(0), maxBackoffMs: z.number().min(0) }),
  retryOnStatus: z.array(count),
  traceparent: z.string(),
});
const aboutSchema = z.object({ caller: z.string(), method: z.string(), url: z.string() });
const nothingKnown: JobAbout = { caller: '', method: '', url: '' };

export function encodeSpec(spec: JobSpec): Uint8Array {
  const { body, headers, ...request } = spec.request;
  const head: z.input<typeof headSchema> = {
    ...spec,
    request: { ...request, headers: headers.map(({ name, value }) => ({ name, value })) },
    target: { ...spec.target, labels: [...spec.target.labels] },
    retryOnStatus: [...spec.retryOnStatus],
  };
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(lengthBytes);
  length.writeUInt32BE(json.length);
  return Buffer.concat([length, json, body]);
}

/** Throws when the bytes are not a spec of this version; the body is a view into them. */
export function decodeSpec(bytes: Uint8Array): JobSpec {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = lengthBytes + buffer.readUInt32BE(0);
  if (end > buffer.length) throw new Error('the spec of a job is cut off');
  const { request, target, ...rest } = headSchema.parse(JSON.parse(buffer.toString('utf8', lengthBytes, end)));
  return {
    ...rest,
    request: { ...request, body: buffer.subarray(end) },
    target: { ...target, labels: new Map(target.labels) },
  };
}

export function encodeAbout({ caller, method, url }: JobAbout): string {
  return JSON.stringify({ caller, method, url });
}

/** Text that another version wrote in another way tells nothing. */
export function decodeAbout(text: string): JobAbout {
  try {
    return aboutSchema.parse(JSON.parse(text));
  } catch {
    return nothingKnown;
  }
}
