// What the status says in conditions. Ready, Reconciling and Stalled follow kstatus, so that `kubectl wait`, Helm and Argo
// read them; Active says whether agents may connect. A suspended key is ready: everything is as its owner asked.
import type { Condition } from '../../agentkey/resource.ts';

export type Activity = 'Active' | 'Suspended' | 'Expired' | 'NoKey';

export type Readiness =
  | { readonly state: 'ready'; readonly reason: 'SecretWritten'; readonly message: string }
  /** Under way, and it goes on by itself. */
  | { readonly state: 'reconciling'; readonly reason: 'Issuing' | 'SecretNotWritten'; readonly message: string }
  /** It goes on once somebody has done something. */
  | {
      readonly state: 'stalled';
      readonly reason: 'SecretConflict' | 'SecretRefused' | 'InvalidSpec';
      readonly message: string;
    };

type Wanted = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

const activityMessage: Readonly<Record<Activity, string>> = {
  Active: 'Agents may connect with the key.',
  Suspended: 'The key is suspended; its connections are closed.',
  Expired: 'The key has expired.',
  NoKey: 'There is no key that agents could connect with.',
};

export interface ConditionsInput {
  readonly previous: readonly Condition[];
  readonly readiness: Readiness;
  readonly activity: Activity;
  readonly generation: number;
  readonly now: string;
}

/** Conditions of other writers stay; a condition that did not change its status keeps its time. */
export function conditionsOf({ previous, readiness, activity, generation, now }: ConditionsInput): Condition[] {
  const wanted = [...readinessConditions(readiness), activityCondition(activity)];
  const foreign = previous.filter(({ type }) => !ownTypes.has(type));
  const own = wanted.map((condition): Condition => {
    const before = previous.find(({ type }) => type === condition.type);
    const lastTransitionTime = before?.status === condition.status ? before.lastTransitionTime : now;
    return { ...condition, observedGeneration: generation, lastTransitionTime };
  });
  return [...own, ...foreign];
}

const ownTypes = new Set(['Ready', 'Active', 'Reconciling', 'Stalled']);

function readinessConditions({ state, reason, message }: Readiness): Wanted[] {
  const ready: Wanted = { type: 'Ready', status: state === 'ready' ? 'True' : 'False', reason, message };
  if (state === 'ready') return [ready];
  return [ready, { type: state === 'stalled' ? 'Stalled' : 'Reconciling', status: 'True', reason, message }];
}

function activityCondition(activity: Activity): Wanted {
  const status = activity === 'Active' ? 'True' : 'False';
  return { type: 'Active', status, reason: activity, message: activityMessage[activity] };
}

export function reasonOf(conditions: readonly Condition[], type: string): string | undefined {
  return conditions.find((condition) => condition.type === type)?.reason;
}
