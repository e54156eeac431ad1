// What a key allows: the one type behind every source of keys, with the checks that every source owes it.
import * as z from 'zod';
import { digestPattern } from '../../kit/digest.ts';
import { keyIdPattern } from './key-format.ts';
import { labelsSchema } from './labels.ts';

export interface KeyPolicy {
  readonly id: string;
  /** The first half of the id of each of its agents. Two keys may share it, so that one can replace the other. */
  readonly name: string;
  /** `sha256:HEX` of the whole key. */
  readonly digest: string;
  /** Said of every exit of its agents, whatever they claim. */
  readonly labels: ReadonlyMap<string, string>;
  /** Tenants that may use its agents; empty means all. */
  readonly tenants: ReadonlySet<string>;
  /** Agents by different names that may be connected at once. */
  readonly maxAgents: number;
  readonly limits: {
    /** Jobs at once on each exit, whatever the agent offers. */
    readonly maxConcurrent: number;
  };
  /** Unix milliseconds; from then on the key opens nothing. */
  readonly notAfter: number | undefined;
  readonly suspended: boolean;
}

const name = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, underscores and dashes');
const count = z
  .int('must be a whole number')
  .min(1, 'must be at least 1')
  .max(1_000_000, 'must be at most 1000000')
  .default(Number.POSITIVE_INFINITY);

/** A policy as people write it, in JSON. Counts that are left out set no bound. */
export const policySchema = z
  .strictObject({
    id: z.string().regex(keyIdPattern, 'must be 1 to 64 letters, digits, dots and dashes'),
    name,
    digest: z.string().regex(digestPattern, 'must be sha256: and 64 hex digits in lower case'),
    labels: labelsSchema.default(new Map()),
    tenants: z.array(name).max(1000, 'are more than 1000').default([]),
    maxAgents: count,
    limits: z.strictObject({ maxConcurrent: count }).prefault({}),
    notAfter: z.iso.datetime({ offset: true, error: 'must be a time such as 2030-01-31T00:00:00Z' }).optional(),
    suspended: z.boolean('must be true or false').default(false),
  })
  .transform(
    ({ notAfter, tenants, ...policy }): KeyPolicy => ({
      ...policy,
      tenants: new Set(tenants),
      notAfter: notAfter === undefined ? undefined : Date.parse(notAfter),
    }),
  );

export type PolicyInput = z.input<typeof policySchema>;
