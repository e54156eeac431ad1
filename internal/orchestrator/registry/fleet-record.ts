// A connection as pods tell each other of it. What comes back out of Redis was written by another pod, perhaps of
// another version, and is judged like anything else from outside: what this version does not know is left out.
import * as z from 'zod';
import { isReserved } from '../../wire/labels.ts';
import { labelsSchema } from '../keys/labels.ts';
import type { ExitKind, ExitState } from './agents.ts';
import type { ExitOffer, LiveExit } from './live-exit.ts';
import type { FleetConnection } from './registry.ts';
import { registryLimits } from './registry-limits.ts';

/** A connection of another pod: its place, and what was said of it. */
export interface HeldRecord {
  /** Number of the change that said so. */
  readonly change: number;
  readonly epoch: number;
  /** Milliseconds of Redis' clock. */
  readonly welcomedAt: number;
  readonly agentId: string;
  readonly record: ConnectionRecord;
}

export type ConnectionRecord = z.output<typeof recordSchema>;

const kinds: readonly ExitKind[] = ['direct', 'proxy'];
const states: readonly ExitState[] = ['available', 'paused', 'cooling', 'quota'];
const maxExits = 256;
const maxTenants = 1_000;
const maxCapacity = 1_024;

const word = z.string().regex(/^[\x20-\x7e]{0,64}$/);
const exitSchema = z.object({
  name: z.string().regex(/^[a-z0-9-]{1,63}$/),
  kind: z.enum(kinds).optional().catch(undefined),
  state: z.enum(states).catch('paused'),
  capacity: z.int().min(1).max(maxCapacity),
  labels: labelsSchema,
});
const recordSchema = z.object({
  instance: z.string().regex(/^[A-Za-z0-9._-]{1,128}$/),
  seq: z.string().regex(/^\d{1,20}$/),
  version: word,
  platform: word,
  protocol: word,
  draining: z.boolean().default(false),
  tenants: z.array(z.string().max(128)).max(maxTenants).default([]),
  exits: z.array(exitSchema).max(maxExits),
});

const heldPattern = /^(\d{1,16}) (\d{1,16}) (\d{1,16}) ([A-Za-z0-9._-]{1,128}\/[a-z0-9-]{1,63}) (\{.*\})$/s;
const noLabels: ReadonlyMap<string, string> = new Map();

export function toRecord(connection: FleetConnection): string {
  const { metadata, draining, tenants } = connection;
  const record: z.input<typeof recordSchema> = {
    instance: connection.instanceId,
    seq: String(connection.connectSeq),
    version: connection.version,
    platform: metadata.platform ?? '',
    protocol: metadata.protocol ?? '',
    exits: connection.exits.map(toExit),
  };
  if (draining) record.draining = true;
  if (tenants.size > 0) record.tenants = [...tenants];
  return JSON.stringify(record);
}

/** Undefined when it is not what a pod writes. */
export function readHeld(value: string): HeldRecord | undefined {
  if (value.length > registryLimits.maxRecordChars) return undefined;
  const [, change, epoch, welcomedAt, agentId, json] = heldPattern.exec(value) ?? [];
  if (agentId === undefined || json === undefined) return undefined;
  const { success, data: record } = recordSchema.safeParse(parse(json));
  if (!success) return undefined;
  return {
    change: Number(change),
    epoch: Number(epoch),
    welcomedAt: Number(welcomedAt),
    agentId: ownText(agentId),
    record,
  };
}

/** The exits that this version can use. */
export function offersOf(
  agentId: string,
  record: ConnectionRecord,
  tenants: ReadonlySet<string>,
): readonly ExitOffer[] {
  return record.exits.flatMap(({ name, kind, state, capacity, labels }) => {
    if (!kind) return [];
    const place = {
      country: labels.get('country') ?? '',
      region: labels.get('region') ?? '',
      city: labels.get('city') ?? '',
      asn: Number(labels.get('asn') ?? 0),
    };
    const free = [...labels].filter(([label]) => !isReserved(label));
    const freeLabels = free.length === 0 ? noLabels : new Map(free);
    return [
      { exitId: `${agentId}/${name}`, agentId, name, kind, state, capacity, ...place, labels: freeLabels, tenants },
    ];
  });
}

function toExit({ name, kind, state, capacity, country, region, city, asn, labels }: LiveExit) {
  const all: Record<string, string> = Object.fromEntries(labels);
  if (country) all.country = country;
  if (region) all.region = region;
  if (city) all.city = city;
  if (asn) all.asn = String(asn);
  return { name, kind, state, capacity, labels: all };
}

/** A copy: a part that was cut out of a text keeps all of that text in memory. */
function ownText(part: string): string {
  return Buffer.from(part).toString();
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
