// What became of the jobs that were taken: as the store's events have it, and as every pod shows it.
import { type Execution, Execution as Executions, FailureCode } from '../../../gen/resproxy/v1/failure_pb.ts';
import type { EndState } from '../../../internal/orchestrator/jobs/job.ts';
import { DurableCaller, stateName } from '../../harness/durable-caller.ts';
import type { Echo } from '../../harness/origin-routes.ts';
import type { Outcome } from '../history.ts';
import type { FaultLab } from '../lab.ts';
import type { Stored } from './stored.ts';

const lanes = 8;

/** Adds an end to the record for each that the store tells of; resolves with how many jobs ended how. */
export async function recordEnds({ recorder, fleet }: FaultLab, stored: Stored): Promise<Map<string, number>> {
  const pods = fleet.pods.map(({ grpc }) => new DurableCaller(grpc));
  const taken = recorder.events.flatMap((event) => (event.kind === 'taken' ? [event] : []));
  const counts = new Map<string, number>();
  const next = taken.values();
  const lane = async () => {
    for (const { job, jobId } of next) {
      for (const state of await stored.endsOf(jobId)) {
        counts.set(state, (counts.get(state) ?? 0) + 1);
        const outcome = await outcomeOf(pods, jobId, state).catch(unreadable);
        recorder.add({ kind: 'ended', job, outcome });
      }
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return counts;
}

async function outcomeOf(pods: readonly DurableCaller[], jobId: string, state: EndState): Promise<Outcome> {
  const shown = await Promise.all(pods.map((pod) => pod.get(jobId)));
  const other = shown.find((job) => stateName(job.state) !== state);
  if (other) return { result: 'broken', why: `told ${state}, shown ${stateName(other.state)}` };
  const [pod, job] = [pods[0], shown[0]];
  if (!pod || !job) return { result: 'broken', why: 'there is no pod' };
  if (state === 'SUCCEEDED') {
    const { bodySha256 } = JSON.parse((await pod.body(jobId)).toString()) as Echo;
    return { result: 'succeeded', sha256: bodySha256, attempts: job.attempts.length };
  }
  const { code, execution } = job.error ?? {};
  return { result: 'failed', code: nameIn(FailureCode, code), execution: nameIn(Executions, execution) };
}

function nameIn(names: Readonly<Record<string, unknown>>, value: FailureCode | Execution | undefined): string {
  return Object.keys(names).find((name) => names[name] === value) ?? String(value);
}

function unreadable(error: unknown): Outcome {
  return { result: 'broken', why: `it cannot be read: ${String(error)}` };
}
