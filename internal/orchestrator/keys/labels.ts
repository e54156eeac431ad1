// Labels in keys and in records of the fleet, read from JSON.
import * as z from 'zod';
import { findLabelFault } from '../../wire/labels.ts';

export const labelsSchema = z
  .record(z.string(), z.string())
  .check((ctx) => {
    const found = findLabelFault(ctx.value);
    if (!found) return;
    const path = found.label === '' ? [] : [found.label];
    ctx.issues.push({ code: 'custom', message: found.fault, path, input: ctx.value });
  })
  .transform((record): ReadonlyMap<string, string> => new Map(Object.entries(record)));
