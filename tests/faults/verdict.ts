// What a run has shown: which rules were broken, whether enough happened for that to mean anything, and one line of figures.
import type { Call, History } from './history.ts';
import { agentsBackGoalMs, type Rule, toldGoalMs } from './rules.ts';

/** Below these a run says nothing and is called invalid. */
export interface Minimums {
  readonly downs: number;
  /** Jobs that ended. */
  readonly ended: number;
  /** Jobs that the origin was at work on when a process went down, all of them together. */
  readonly atOrigin: number;
}

export interface Verdict {
  /** A line for each rule that was broken, with the first cases. */
  readonly broken: readonly string[];
  /** What there was too little of. */
  readonly invalid: readonly string[];
  readonly line: string;
}

const shownCases = 5;

export function judge(history: History, rules: readonly Rule[], minimums: Minimums): Verdict {
  const seen: Minimums = {
    downs: history.absences.length,
    ended: history.calls.filter(({ ends }) => ends.length > 0).length,
    atOrigin: history.of('down').reduce((sum, { jobsAtOrigin }) => sum + jobsAtOrigin, 0),
  };
  const names = Object.keys(minimums) as (keyof Minimums)[];
  return {
    broken: rules.flatMap((rule) => brokenLine(rule, history)),
    invalid: names
      .filter((name) => seen[name] < minimums[name])
      .map((name) => `${name} ${seen[name]} of ${minimums[name]}`),
    line: figures(history, seen),
  };
}

function brokenLine({ id, sentence, broken }: Rule, history: History): string[] {
  const cases = broken(history);
  if (cases.length === 0) return [];
  return [`${id} (${sentence}) does not hold in ${cases.length} cases\n  ${cases.slice(0, shownCases).join('\n  ')}`];
}

function figures(history: History, { downs, ended, atOrigin }: Minimums): string {
  const count = (is: (call: Call) => boolean) => history.calls.filter(is).length;
  return [
    `${ended} jobs ended, ${downs} processes went down with ${atOrigin} jobs at the origin`,
    `lost ${count(({ ends }) => ends.length === 0)}`,
    `duplicated ${count(({ asked, hits }) => !asked.idempotent && hits > 1)}`,
    `unknown ${count((call) => isUnknown(call, history))}`,
    `recovered ${count(({ ends: [end] }) => end?.outcome.result === 'succeeded' && end.outcome.attempts > 1)}`,
    `longest silence ${worst(
      history.calls.flatMap((call) => history.silenceMs(call) ?? []),
      toldGoalMs,
    )}`,
    `worst recovery ${worst(history.recoveriesMs(), agentsBackGoalMs)}`,
  ].join('; ');
}

function worst(times: readonly number[], goalMs: number): string {
  const ms = times.reduce((most, each) => Math.max(most, each), 0);
  return `${Math.round(ms)} ms (goal ${goalMs})`;
}

/** The caller cannot know whether the origin has done it: a pod says so, or died while it had the job. */
function isUnknown(call: Call, history: History): boolean {
  const { outcome } = call.ends[0] ?? {};
  if (outcome?.result === 'failed') return outcome.execution === 'POSSIBLE';
  const absence = history.absenceDuring(call);
  return outcome?.result === 'broken' && (!absence || absence.fromMs > call.asked.atMs);
}
