// What a job waits for, as the text under which a store keeps it: any pod can tell from it whether an exit has come.
import * as z from 'zod';
import type { Target } from '../route/candidate.ts';

export interface ParkedTarget {
  readonly tenant: string;
  readonly target: Target;
}

const schema = z.tuple([
  z.string(),
  z.string(),
  z.string(),
  z.string(),
  z.number(),
  z.string(),
  z.array(z.tuple([z.string(), z.string()])),
]);

/** The same for targets that ask the same. */
export function parkedName({ tenant, target }: ParkedTarget): string {
  const { country, region, city, asn, exitId, labels } = target;
  const sorted = [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([tenant, country, region, city, asn, exitId, sorted] satisfies z.input<typeof schema>);
}

/** Undefined for what another version wrote in another way. */
export function readParkedName(name: string): ParkedTarget | undefined {
  try {
    const [tenant, country, region, city, asn, exitId, labels] = schema.parse(JSON.parse(name));
    return { tenant, target: { country, region, city, asn, exitId, labels: new Map(labels) } };
  } catch {
    return undefined;
  }
}
