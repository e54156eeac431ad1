// What must hold whatever fails, rule by rule: the invariants that every run has to keep, and what some faults promise
// beyond them. Each rule is a sentence and finds those who break it.
import { patienceMs } from '../harness/goals.ts';
import type { Call, History } from './history.ts';

export interface Rule {
  readonly id: string;
  readonly sentence: string;
  /** A line for each case in which it does not hold. */
  readonly broken: (history: History) => readonly string[];
}

/** For a caller whose pod died, until the transport error. */
export const toldGoalMs = 2_000;
export const agentsBackGoalMs = 5_000;

/** Invariants of calls that somebody waits for. */
export const invariants: readonly Rule[] = [
  {
    id: 'I1',
    sentence: 'every call ends',
    broken: calls(({ ends }) => ends.length > 0),
  },
  {
    id: 'I2',
    sentence: 'a job that is not idempotent hits the origin at most once',
    broken: calls(({ asked, hits }) => asked.idempotent || hits <= 1),
  },
  {
    id: 'I3',
    sentence: 'a success means a hit, and the bytes that were meant',
    broken: calls(({ asked, ends: [end], hits }) =>
      end?.outcome.result === 'succeeded' ? hits >= 1 && end.outcome.sha256 === asked.sha256 : true,
    ),
  },
  {
    id: 'I4',
    sentence: 'a call ends once',
    broken: calls(({ ends }) => ends.length <= 1),
  },
  {
    id: 'I5',
    sentence: 'what is said of the execution is true: NOT_STARTED means no hit, DONE means one',
    broken: calls(({ ends: [end], hits }) => {
      if (end?.outcome.result !== 'failed') return true;
      const { execution } = end.outcome;
      return execution === 'NOT_STARTED' ? hits === 0 : execution !== 'DONE' || hits >= 1;
    }),
  },
];

/** While pods are killed, and each caller asks one pod and no other. */
export const ofKilledPods: readonly Rule[] = [
  {
    id: 'K1',
    sentence: 'a caller whose pod lives is told what became of its job',
    broken: calls((call, history) => outcomeOf(call) !== 'broken' || history.absenceDuring(call) !== undefined),
  },
  {
    id: 'K2',
    sentence: 'a caller whose pod died is not left without a word',
    broken: calls((call, history) => (history.silenceMs(call) ?? 0) <= patienceMs(toldGoalMs)),
  },
  {
    id: 'K3',
    sentence: 'the agents of a killed pod come back',
    broken: (history) =>
      history
        .recoveriesMs()
        .filter((ms) => ms > patienceMs(agentsBackGoalMs))
        .map((ms) => `${Math.round(ms)} ms`),
  },
];

/** While nothing that a job needs goes away without a word. */
export const ofCalmWaters: readonly Rule[] = [
  {
    id: 'C1',
    sentence: 'no job fails',
    broken: calls((call) => outcomeOf(call) === 'succeeded'),
  },
];

/** Of jobs that were handed over: their ends are what the store tells of them. */
export const ofDurableJobs: readonly Rule[] = [
  {
    id: 'D1',
    sentence: 'a job that was taken has an end, and every pod shows the same',
    broken: (history) => {
      const taken = new Set(history.of('taken').map(({ job }) => job));
      const hasEnd = (call: Call) => ['succeeded', 'failed'].includes(outcomeOf(call) ?? '');
      return calls((call) => !taken.has(call.asked.job) || hasEnd(call))(history);
    },
  },
  {
    id: 'I6',
    sentence: 'each end is told by callback, under an id that no other has',
    broken: (history) => {
      const tellings = history.of('told');
      const idsOf = Map.groupBy(tellings, ({ job }) => job);
      const jobsOf = Map.groupBy(tellings, ({ webhookId }) => webhookId);
      const ids = (job: string) => new Set(idsOf.get(job)?.map(({ webhookId }) => webhookId)).size;
      const jobs = (webhookId: string) => new Set(jobsOf.get(webhookId)?.map(({ job }) => job)).size;
      const untold = history.of('taken').filter(({ job }) => ids(job) !== 1);
      const shared = [...jobsOf.keys()].filter((webhookId) => jobs(webhookId) > 1);
      return [
        ...untold.map(({ job, jobId }) => `${job}, ${jobId}: told under ${ids(job)} ids`),
        ...shared.map((webhookId) => `${webhookId}: told of ${jobs(webhookId)} jobs`),
      ];
    },
  },
  {
    id: 'I7',
    sentence: 'no lease, no place in a queue and no count of open jobs is left when all are over',
    broken: (history) => history.of('left').map(({ what }) => what),
  },
];

function calls(holds: (call: Call, history: History) => boolean): Rule['broken'] {
  return (history) => history.calls.filter((call) => !holds(call, history)).map(tell);
}

function outcomeOf({ ends: [end] }: Call): string | undefined {
  return end?.outcome.result;
}

function tell({ asked, ends, hits }: Call): string {
  const { job, door, via, atMs } = asked;
  const ended = ends.map((end) => `${JSON.stringify(end.outcome)} after ${Math.round(end.atMs - atMs)} ms`);
  return `${job} by ${door} via ${via} at ${Math.round(atMs)}: ${hits} hits, ${ended.join(' and ') || 'never ended'}`;
}
