// The AgentKey resource as the operator and the orchestrators read it. Both see it through this one boundary: what the
// API server hands over is checked again, and an object with a fault is a value, never an exception.
import * as z from 'zod';
import { digestPattern } from '../kit/digest.ts';
import type { Kind, KubeObject, ObjectMeta } from '../kube/objects.ts';

export const group = 'resproxy.dev';
export const apiVersion = `${group}/v1alpha1`;
export const agentKeys: Kind = { api: `/apis/${apiVersion}`, plural: 'agentkeys' };

/** Longer names do not fit into an agent's id beside the longest namespace; the CRD refuses them too. */
const maxNameLength = 64;

const time = z.iso.datetime({ offset: true });
const stringMap = z.record(z.string(), z.string());
const count = z.int().min(1).optional();

const specSchema = z.object({
  secretName: z.string().optional(),
  secretTemplate: z
    .object({ labels: stringMap.default({}), annotations: stringMap.default({}) })
    .default({ labels: {}, annotations: {} }),
  deletionPolicy: z.enum(['Delete', 'Retain']).default('Delete'),
  suspend: z.boolean().default(false),
  expiresAt: time.optional(),
  rotation: z
    .object({ id: z.string().optional(), every: z.string().optional(), overlap: z.string().default('10m') })
    .prefault({}),
  labels: stringMap.default({}),
  tenants: z.array(z.string()).default([]),
  maxAgents: count,
  limits: z.object({ maxConcurrent: count }).default({}),
});

const conditionSchema = z.object({
  type: z.string(),
  status: z.enum(['True', 'False', 'Unknown']),
  observedGeneration: z.number().optional(),
  lastTransitionTime: z.string(),
  reason: z.string(),
  message: z.string(),
});

const listedKeySchema = z.object({
  id: z.string(),
  digest: z.string().regex(digestPattern),
  notAfter: time.optional(),
});

const statusSchema = z.object({
  observedGeneration: z.number().optional(),
  observedRotationID: z.string().optional(),
  secretName: z.string().optional(),
  activeKeyID: z.string().optional(),
  keys: z.array(listedKeySchema).default([]),
  lastRotationTime: time.optional(),
  nextRotationTime: time.optional(),
  agents: z.object({ connected: z.number().default(0), lastSeenTime: time.optional() }).optional(),
  conditions: z.array(conditionSchema).default([]),
});

export type AgentKeySpec = Readonly<z.output<typeof specSchema>>;
export type AgentKeyStatus = Readonly<z.output<typeof statusSchema>>;
export type Condition = Readonly<z.output<typeof conditionSchema>>;
export type ListedKey = Readonly<z.output<typeof listedKeySchema>>;

export interface AgentKey {
  readonly metadata: ObjectMeta;
  readonly spec: AgentKeySpec;
  readonly status: AgentKeyStatus;
}

export type ParsedAgentKey =
  | { readonly ok: true; readonly agentKey: AgentKey }
  | { readonly ok: false; readonly fault: string };

const schema = z.object({ spec: specSchema.prefault({}), status: statusSchema.prefault({}) });

export function parseAgentKey(object: KubeObject): ParsedAgentKey {
  const { metadata } = object;
  if (metadata.name.length > maxNameLength)
    return { ok: false, fault: `its name has more than ${maxNameLength} characters` };
  const parsed = schema.safeParse(object);
  if (parsed.success) return { ok: true, agentKey: { metadata, ...parsed.data } };
  return {
    ok: false,
    fault: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  };
}

/** What the orchestrator calls the key, and the first half of the id of its agents. A namespace holds no dot. */
export function nameOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}.${name}`;
}

export function isExpired({ expiresAt }: AgentKeySpec, nowMs: number): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= nowMs;
}
