// What a caller may be, as the callers file says it: of one that shows a token of ours, and of those that an issuer
// vouches for.
import * as z from 'zod';
import { allScopes } from './caller.ts';

export const callerName = z
  .string()
  .regex(/^[A-Za-z0-9._-]{1,128}$/, 'must be 1 to 128 letters, digits, dots, underscores and dashes');
export const scopes = z
  .array(z.enum(allScopes, `must be one of ${allScopes.join(', ')}`))
  .max(allScopes.length, `are more than ${allScopes.length}`);

const rate = z
  .number('must be a number')
  .min(0.001, 'must be at least 0.001')
  .max(1_000_000, 'must be at most 1000000')
  .default(Number.POSITIVE_INFINITY);
export const limits = z
  .strictObject({
    maxInFlight: z
      .int('must be a whole number')
      .min(1, 'must be at least 1')
      .max(1_000_000, 'must be at most 1000000')
      .default(Number.POSITIVE_INFINITY),
    jobsPerSecond: rate,
    jobsPerSecondPerOrigin: rate,
  })
  .prefault({});
