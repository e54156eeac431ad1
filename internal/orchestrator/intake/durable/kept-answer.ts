// What became of a durable job as RunJob tells it: its answer in one message, or the failure that ended it.
import type { RunJobResponse } from '../../../../gen/resproxy/v1/job_pb.ts';
import { JobFailure } from '../../failure/failures.ts';
import type { JobRecord } from '../../jobs/job.ts';
import type { JobStore } from '../../jobs/job-store.ts';
import { decodeMeta } from '../../queue/job-result.ts';
import { toRunJobResponse } from '../job-messages.ts';
import { resultGone } from './durable-failures.ts';
import { toAttemptRecord } from './job-record-messages.ts';
import { wholeBody } from './result-body.ts';
import { ask } from './store-failure.ts';

/** Of a job that succeeded. Rejects with a JobFailure. */
export async function keptAnswer(store: JobStore, record: JobRecord): Promise<RunJobResponse> {
  const head = await ask(store.result(record));
  if (!head) throw resultGone(record.jobId);
  const body = await wholeBody(store, record, head);
  const attempts = record.attempts.map(toAttemptRecord);
  return toRunJobResponse(record.jobId, { ...decodeMeta(head.meta), body, attempts });
}

/** Of a job that ended in another way. Sent again under its key it ends no differently, so nobody is invited to. */
export function keptFailure({ jobId, failure, attempts }: JobRecord): JobFailure {
  const { code, detail, execution } = failure ?? { code: 'INTERNAL', detail: '', execution: 'POSSIBLE' };
  return new JobFailure(code, {
    ...(detail !== '' && { detail }),
    execution,
    attempts: attempts.map(toAttemptRecord),
    jobId,
    isFinal: true,
  });
}
