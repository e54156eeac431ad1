// What a receiver is told: which job is over and how. The answer itself stays with resproxy, where the receiver can get
// it as the job's tenant.
import * as z from 'zod';
import type { JobRecord } from '../jobs/job.ts';

const receiverSchema = z.object({ url: z.url() });

/** The receiver that a job was submitted with; undefined for bytes that this version does not understand. */
export function readReceiver(callback: Uint8Array): URL | undefined {
  try {
    return new URL(receiverSchema.parse(JSON.parse(Buffer.from(callback).toString())).url);
  } catch {
    return undefined;
  }
}

/** Standard Webhooks: type, timestamp, data. */
export function callbackBody({ jobId, state, labels, attempts, failure, endedAt }: JobRecord): string {
  return JSON.stringify({
    type: `job.${state.toLowerCase()}`,
    timestamp: new Date(endedAt ?? 0).toISOString(),
    data: {
      jobId,
      state,
      labels,
      attempts: attempts.length,
      ...(failure && { code: failure.code, execution: failure.execution, detail: failure.detail }),
    },
  });
}
