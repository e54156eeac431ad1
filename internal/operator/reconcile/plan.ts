// What an AgentKey lacks now, decided from what there is and nothing else: no history, no I/O. Whatever was interrupted,
// wherever, is seen here as a state like any other, and the plan leads on from it.
//
// A new key goes out in three steps: its digest into the status (Ready is False, Issuing), then the key into the Secret,
// then Ready. In between, orchestrators accept a key that nobody holds yet; never the other way round.
import { countOf, keyIdOf } from '../../agentkey/key-id.ts';
import { type AgentKey, type AgentKeyStatus, isExpired, type ListedKey } from '../../agentkey/resource.ts';
import { digestOf } from '../../kit/digest.ts';
import { type Activity, conditionsOf, type Readiness, reasonOf } from './conditions.ts';
import { parseDuration } from './duration.ts';
import { activityNotes, type IssueReason, issueNote, type Note } from './notes.ts';
import {
  corrected,
  heldDigest,
  heldKeyId,
  isCorrect,
  isOwnedBy,
  type NewSecret,
  newSecret,
  type Secret,
  secretNameOf,
} from './secret.ts';

export interface Situation {
  readonly agentKey: AgentKey;
  readonly secret: Secret | undefined;
  readonly nowMs: number;
  /** What agents dial. */
  readonly orchWs: string;
  /** Agents connected with the key; undefined when nobody told. */
  readonly connected: number | undefined;
}

/** Makes the whole key for an id, of fresh random bits. */
export type MakeKey = (keyId: string) => string;

export type SecretStep =
  | { readonly action: 'none' }
  | { readonly action: 'create'; readonly secret: NewSecret }
  | { readonly action: 'replace'; readonly secret: Secret };

export interface Plan {
  /** First: lists the digest of a new key. */
  readonly announced: AgentKeyStatus | undefined;
  /** Then. */
  readonly secret: SecretStep;
  /** Last: the status when all is done; written when it differs. */
  readonly settled: AgentKeyStatus;
  /** Told once it is done. */
  readonly notes: readonly Note[];
  /** When there is something to do that only time brings. */
  readonly againInMs: number | undefined;
}

export const maxKeys = 4;
/** A Secret that is not ours is not watched: asked this often whether it is still there. */
const conflictRetryMs = 60_000;

export function planFor(situation: Situation, makeKey: MakeKey): Plan {
  const { agentKey, secret } = situation;
  if (secret && !isOwnedBy(secret, agentKey)) return conflict(situation);
  const reason = whyIssue(situation);
  return reason === undefined ? keep(situation) : issue(situation, reason, makeKey);
}

/** The status of a key whose Secret the server would not take. */
export function refusedStatus(situation: Situation, fault: { lasting: boolean; message: string }): AgentKeyStatus {
  const { message } = fault;
  const readiness: Readiness = fault.lasting
    ? { state: 'stalled', reason: 'SecretRefused', message }
    : { state: 'reconciling', reason: 'SecretNotWritten', message };
  return statusWith(situation, situation.agentKey.status, readiness);
}

function whyIssue(situation: Situation): IssueReason | undefined {
  const { agentKey, secret } = situation;
  const active = activeKey(agentKey);
  if (!active) return secret ? 'KeyReissued' : 'KeyIssued';
  const intact = secret !== undefined && heldDigest(secret) === active.digest;
  if (intact) return isRotationDue(situation) ? 'KeyRotated' : undefined;
  if (wasInterrupted(agentKey)) return 'KeyIssued';
  return secret ? 'SecretTampered' : 'SecretDeleted';
}

function issue(situation: Situation, reason: IssueReason, makeKey: MakeKey): Plan {
  const { agentKey, secret, orchWs, nowMs } = situation;
  const { spec, status } = agentKey;
  const id = keyIdOf(agentKey.metadata.uid, 1 + lastCount(agentKey, secret));
  const text = makeKey(id);
  const listed: AgentKeyStatus = {
    ...status,
    activeKeyID: id,
    keys: [{ id, digest: digestOf(text) }, ...overlapping(situation, reason)].slice(0, maxKeys),
    lastRotationTime: isoTime(nowMs),
    observedRotationID: spec.rotation.id,
  };
  const issuing: Readiness = { state: 'reconciling', reason: 'Issuing', message: `Key ${id} is being written.` };
  const key = { id, text };
  return {
    announced: statusWith(situation, listed, issuing),
    secret: secret
      ? { action: 'replace', secret: corrected(secret, agentKey, key, orchWs) }
      : { action: 'create', secret: newSecret(agentKey, key, orchWs) },
    ...settle(situation, listed),
    notes: [issueNote(reason, id, secretNameOf(agentKey)), ...activityNotes(agentKey, activityOf(situation, listed))],
  };
}

function keep(situation: Situation): Plan {
  const { agentKey, secret, orchWs, nowMs } = situation;
  const { status } = agentKey;
  const key = { id: status.activeKeyID ?? '', text: undefined };
  const right = !secret || isCorrect(secret, agentKey, key, orchWs);
  const listed = { ...status, keys: status.keys.filter((listedKey) => isValidAt(listedKey, nowMs)) };
  return {
    announced: undefined,
    secret: right ? { action: 'none' } : { action: 'replace', secret: corrected(secret, agentKey, key, orchWs) },
    ...settle(situation, listed),
    notes: activityNotes(agentKey, activityOf(situation, listed)),
  };
}

/** The Secret is somebody else's: nothing in it is touched, and no key of ours opens anything. */
function conflict(situation: Situation): Plan {
  const { agentKey } = situation;
  const name = secretNameOf(agentKey);
  const message = `Secret ${name} was not made for this AgentKey and is left alone; delete it, or choose another secretName in a new AgentKey.`;
  const listed: AgentKeyStatus = { ...agentKey.status, activeKeyID: undefined, keys: [] };
  const known = reasonOf(agentKey.status.conditions, 'Ready') === 'SecretConflict';
  return {
    announced: undefined,
    secret: { action: 'none' },
    settled: statusWith(situation, listed, { state: 'stalled', reason: 'SecretConflict', message }),
    notes: known ? [] : [{ type: 'Warning', reason: 'SecretConflict', action: 'WriteSecret', text: message }],
    againInMs: conflictRetryMs,
  };
}

function settle(situation: Situation, listed: AgentKeyStatus): Pick<Plan, 'settled' | 'againInMs'> {
  const { agentKey, nowMs } = situation;
  const written = `Secret ${secretNameOf(agentKey)} holds key ${listed.activeKeyID}.`;
  const readiness: Readiness =
    rotationOf(agentKey) === undefined
      ? { state: 'stalled', reason: 'InvalidSpec', message: 'spec.rotation holds a duration that cannot be read.' }
      : { state: 'ready', reason: 'SecretWritten', message: written };
  const settled = statusWith(situation, listed, readiness);
  const times = [...settled.keys.map(({ notAfter }) => notAfter), settled.nextRotationTime, agentKey.spec.expiresAt];
  const waits = times.flatMap((at) => (at === undefined ? [] : [Date.parse(at) - nowMs])).filter((ms) => ms > 0);
  return { settled, againInMs: waits.length > 0 ? Math.min(...waits) : undefined };
}

/** Every field of the status that follows from the rest. */
function statusWith(situation: Situation, listed: AgentKeyStatus, readiness: Readiness): AgentKeyStatus {
  const { agentKey, nowMs } = situation;
  const generation = agentKey.metadata.generation ?? 0;
  return withoutUndefined({
    ...listed,
    observedGeneration: generation,
    secretName: secretNameOf(agentKey),
    nextRotationTime: nextRotationTime(situation, listed),
    agents: agentsOf(situation),
    conditions: conditionsOf({
      previous: listed.conditions,
      readiness,
      activity: activityOf(situation, listed),
      generation,
      now: isoTime(nowMs),
    }),
  });
}

function activityOf({ agentKey: { spec }, nowMs }: Situation, { keys }: AgentKeyStatus): Activity {
  if (spec.suspend) return 'Suspended';
  if (isExpired(spec, nowMs)) return 'Expired';
  return keys.length > 0 ? 'Active' : 'NoKey';
}

/** Written on a change only: a fleet that comes and goes must not become a stream of writes. */
function agentsOf({ agentKey: { status }, connected, nowMs }: Situation): AgentKeyStatus['agents'] {
  if (connected === undefined || connected === (status.agents?.connected ?? 0)) return status.agents;
  return { connected, lastSeenTime: isoTime(nowMs) };
}

/** The old keys that keep working beside a new one. Overlap belongs to rotation: a lost key is shut out at once. */
function overlapping({ agentKey, secret, nowMs }: Situation, reason: IssueReason): ListedKey[] {
  const { status } = agentKey;
  const valid = status.keys.filter((key) => isValidAt(key, nowMs));
  if (reason === 'KeyRotated') {
    const overlapMs = rotationOf(agentKey)?.overlapMs ?? 0;
    if (overlapMs === 0) return valid.filter(({ id }) => id !== status.activeKeyID);
    const notAfter = isoTime(nowMs + overlapMs + 999);
    return valid.map((key) => (key.id === status.activeKeyID ? { ...key, notAfter } : key));
  }
  // A rotation that was interrupted: the Secret still holds the key of before.
  const held = secret && heldDigest(secret);
  const interrupted =
    wasInterrupted(agentKey) && valid.some((key) => key.notAfter !== undefined && key.digest === held);
  return interrupted ? valid.filter(({ id }) => id !== status.activeKeyID) : [];
}

/** The newest key was listed, and then the Secret was not written. */
function wasInterrupted({ status }: AgentKey): boolean {
  const reason = reasonOf(status.conditions, 'Ready');
  return reason === 'Issuing' || reason === 'SecretNotWritten' || reason === 'SecretRefused';
}

function isRotationDue(situation: Situation): boolean {
  const { agentKey, nowMs } = situation;
  const { spec, status } = agentKey;
  if (spec.suspend || isExpired(spec, nowMs)) return false;
  if (spec.rotation.id !== undefined && spec.rotation.id !== status.observedRotationID) return true;
  const next = nextRotationTime(situation, status);
  return next !== undefined && Date.parse(next) <= nowMs;
}

function nextRotationTime({ agentKey, nowMs }: Situation, listed: AgentKeyStatus): string | undefined {
  const everyMs = rotationOf(agentKey)?.everyMs;
  if (everyMs === undefined || listed.lastRotationTime === undefined) return undefined;
  if (agentKey.spec.suspend || isExpired(agentKey.spec, nowMs)) return undefined;
  return isoTime(Date.parse(listed.lastRotationTime) + everyMs);
}

/** Undefined when a duration cannot be read. */
function rotationOf({ spec: { rotation } }: AgentKey): { everyMs: number | undefined; overlapMs: number } | undefined {
  const overlapMs = parseDuration(rotation.overlap);
  const everyMs = rotation.every === undefined ? undefined : parseDuration(rotation.every);
  const unreadable = overlapMs === undefined || (rotation.every !== undefined && everyMs === undefined);
  return unreadable ? undefined : { everyMs, overlapMs };
}

function activeKey({ status }: AgentKey): ListedKey | undefined {
  return status.keys.find(({ id }) => id === status.activeKeyID);
}

/** Ids are not used twice, as far as anything remembers them. */
function lastCount({ status }: AgentKey, secret: Secret | undefined): number {
  const ids = [...status.keys.map(({ id }) => id), status.activeKeyID ?? '', secret ? heldKeyId(secret) : ''];
  return Math.max(...ids.map(countOf));
}

function isValidAt({ notAfter }: ListedKey, nowMs: number): boolean {
  return notAfter === undefined || Date.parse(notAfter) > nowMs;
}

/** As Kubernetes writes times: whole seconds. */
function isoTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function withoutUndefined<T extends object>(object: T): T {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as T;
}
