// From what an agent says of its exits to what the fleet may use. The list is read once, as a claim; the key's policy,
// which may change later, is above every claim: its labels win, and its limit bounds the capacity.
import { ExitKind, ExitState } from '../../../gen/resproxy/v1/agent_pb.ts';
import type { ExitList, ExitOffer as WireOffer } from '../../../gen/resproxy/v1/channel_pb.ts';
import { ProtocolError } from '../../wire/codec.ts';
import { findLabelFault, isReserved } from '../../wire/labels.ts';
import { limits } from '../../wire/limits.ts';
import { agentNamePattern, closeCode } from '../../wire/names.ts';
import type { KeyPolicy } from '../keys/policy.ts';
import type { ExitOffer } from '../registry/live-exit.ts';

/** One exit, as its agent describes it. */
export interface ExitClaim extends Pick<ExitOffer, 'name' | 'kind' | 'state' | 'capacity'> {
  readonly labels: Readonly<Record<string, string>>;
}

const kinds: ReadonlyMap<ExitKind, ExitClaim['kind']> = new Map([
  [ExitKind.DIRECT, 'direct'],
  [ExitKind.PROXY, 'proxy'],
]);
const states: ReadonlyMap<ExitState, ExitClaim['state']> = new Map([
  [ExitState.AVAILABLE, 'available'],
  [ExitState.PAUSED, 'paused'],
  [ExitState.COOLING, 'cooling'],
  [ExitState.QUOTA, 'quota'],
]);
const noLabels: ReadonlyMap<string, string> = new Map();

/**
 * The exits of a list, in its order. One of a kind that this version does not know is left out; one in a state that it
 * does not know counts as paused. Throws a ProtocolError for a list that no honest agent sends.
 */
export function readClaims({ exits }: ExitList): readonly ExitClaim[] {
  if (exits.length > limits.maxExitsPerAgent) fail(`more than ${limits.maxExitsPerAgent} exits`);
  const names = new Set<string>();
  for (const exit of exits) check(exit, names);
  return exits.flatMap(({ name, kind: wireKind, state, capacity, labels }) => {
    const kind = kinds.get(wireKind);
    return kind ? { name, kind, state: states.get(state) ?? 'paused', capacity, labels } : [];
  });
}

function check({ name, capacity, labels }: WireOffer, names: Set<string>): void {
  if (!agentNamePattern.test(name)) fail('an exit name must be 1 to 63 of a-z, 0-9 and dash');
  if (names.has(name)) fail(`two exits are called ${name}`);
  names.add(name);
  if (capacity < 1) fail(`exit ${name} has no capacity`);
  const found = findLabelFault(labels);
  if (found) fail(`label ${found.label} ${found.fault}`);
}

/** What the pod makes of a claim under the key's policy. */
export function toOffer(
  { name, kind, state, capacity, labels }: ExitClaim,
  agentId: string,
  policy: Pick<KeyPolicy, 'labels' | 'tenants' | 'limits'>,
): ExitOffer {
  const label = (reserved: string): string => policy.labels.get(reserved) ?? labels[reserved] ?? '';
  return {
    exitId: `${agentId}/${name}`,
    agentId,
    name,
    kind,
    state,
    capacity: Math.min(capacity, policy.limits.maxConcurrent, limits.maxStreamsPerConnection),
    country: label('country'),
    region: label('region'),
    city: label('city'),
    asn: Number(label('asn')),
    labels: freeLabels(labels, policy.labels),
    tenants: policy.tenants,
  };
}

/** Those that fill no typed field. */
function freeLabels(
  claimed: Readonly<Record<string, string>>,
  given: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const entries = [...Object.entries(claimed), ...given].filter(([name]) => !isReserved(name));
  return entries.length === 0 ? noLabels : new Map(entries);
}

/** A close frame has room for 123 bytes of reason. */
function fail(what: string): never {
  throw new ProtocolError(closeCode.protocolError, what.replace(/[^\x20-\x7e]/g, '?').slice(0, 120));
}
