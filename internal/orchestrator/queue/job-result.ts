// The head of an origin's answer as a store keeps it beside the body: status, headers, and the way that it came.
import * as z from 'zod';
import type { Header } from '../channel/link.ts';
import type { ExitUsed, JobTimings } from '../dispatch/job.ts';

export interface ResultMeta {
  readonly statusCode: number;
  readonly headers: readonly Header[];
  readonly finalUrl: string;
  readonly exit: ExitUsed;
  readonly timings: JobTimings;
}

const count = z.number().min(0);
const metaSchema = z.object({
  statusCode: count,
  headers: z.array(z.object({ name: z.string(), value: z.string() })),
  finalUrl: z.string(),
  exit: z.object({
    exitId: z.string(),
    agentId: z.string(),
    country: z.string(),
    region: z.string(),
    city: z.string(),
    asn: count,
  }),
  timings: z.object({ dnsUs: count, connectUs: count, tlsUs: count, firstByteUs: count, totalUs: count }),
});

export function encodeMeta({ statusCode, headers, finalUrl, exit, timings }: ResultMeta): Uint8Array {
  const pairs = headers.map(({ name, value }) => ({ name, value }));
  return Buffer.from(JSON.stringify({ statusCode, headers: pairs, finalUrl, exit, timings }));
}

/** Throws when the bytes are not what a pod wrote. */
export function decodeMeta(bytes: Uint8Array): ResultMeta {
  return metaSchema.parse(JSON.parse(Buffer.from(bytes).toString()));
}
