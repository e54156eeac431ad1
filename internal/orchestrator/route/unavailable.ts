// Says why no exit could be chosen, so that a caller knows whether to wait or to ask for less. Its numbers are the
// sizes of sets and the counts of a bounded scan, and never more than the exits that the tenant may use.
import type { Constraint, Target } from './candidate.ts';

export interface NoExit {
  readonly kind: 'none';
  readonly code: 'NO_EXIT_AVAILABLE' | 'EXIT_BUSY' | 'EXIT_NOT_FOUND';
  /** Why, in a sentence for the caller. */
  readonly detail: string;
  /** Only some of the exits were looked at: another may fit after all. */
  readonly sampled: boolean;
}

/** What a scan saw: of the exits it looked at, how many match and why each of them takes no job. */
export interface Findings {
  readonly looked: number;
  readonly of: number;
  readonly full: number;
  readonly closed: number;
  readonly tried: number;
}

export function exitNotFound(exitId: string): NoExit {
  return { kind: 'none', code: 'EXIT_NOT_FOUND', detail: `There is no exit ${exitId}.`, sampled: false };
}

export function unavailable(
  target: Target,
  usable: Constraint,
  asked: readonly Constraint[],
  findings: Findings,
): NoExit {
  const { looked, of, full } = findings;
  const sampled = looked < of;
  const detail = reason(target, usable.set.size, asked, findings);
  return {
    kind: 'none',
    code: full > 0 ? 'EXIT_BUSY' : 'NO_EXIT_AVAILABLE',
    detail: sampled ? `${detail} Only ${looked} of ${of} exits were looked at.` : detail,
    sampled,
  };
}

function reason(target: Target, usable: number, asked: readonly Constraint[], findings: Findings): string {
  if (usable === 0) return 'No exit is connected.';
  const wishes = asked.map(({ name, set }) => `${name} (${exits(Math.min(set.size, usable))})`);
  if (target.exitId !== '') wishes.unshift(`exit_id=${target.exitId} (${exits(1)})`);
  const { full, closed, tried } = findings;
  if (full + closed + tried === 0) return `No exit matches ${wishes.join(', ')} of ${usable} connected.`;
  const those = wishes.length === 0 ? `${exits(usable)} connected` : `those that match ${wishes.join(', ')}`;
  return `No exit is left of ${those}: ${blame(findings)}.`;
}

function blame({ full, closed, tried }: Findings): string {
  const parts: string[] = [];
  if (full > 0) parts.push(`${full} at the limit`);
  if (closed > 0) parts.push(`${closed} paused or draining`);
  if (tried > 0) parts.push(`${tried} tried by this job`);
  return parts.join(', ');
}

function exits(count: number): string {
  return count === 1 ? '1 exit' : `${count} exits`;
}
