// Durable jobs as a caller has them: hand one over, wait for its end, read what came of it.

import type { MessageInitShape } from '@bufbuild/protobuf';
import { type Job, JobState, type SubmitJobRequestSchema } from '../../gen/resproxy/v1/durable_job_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import type { GrpcCaller } from './grpc-caller.ts';
import { until } from './waiting.ts';

export type Submit = MessageInitShape<typeof SubmitJobRequestSchema>;

const { submitJob, getJob, getJobResult, cancelJob } = JobService.method;
const open: ReadonlySet<JobState> = new Set([
  JobState.QUEUED,
  JobState.LEASED,
  JobState.DISPATCHED,
  JobState.RUNNING,
  JobState.RETRY_WAIT,
]);

const names = new Map(Object.entries(JobState).map(([name, state]): [JobState, string] => [state, name]));

export function stateName(state: JobState): string {
  return names.get(state) ?? String(state);
}

export class DurableCaller {
  readonly #grpc: GrpcCaller;

  constructor(grpc: GrpcCaller) {
    this.#grpc = grpc;
  }

  /** The id of the job. */
  async submit(request: Submit): Promise<string> {
    const { job } = await this.#grpc.call(submitJob, request);
    if (!job) throw new Error('the answer holds no job');
    return job.jobId;
  }

  async get(jobId: string): Promise<Job> {
    const { job } = await this.#grpc.call(getJob, { jobId });
    if (!job) throw new Error('the answer holds no job');
    return job;
  }

  cancel(jobId: string): Promise<unknown> {
    return this.#grpc.call(cancelJob, { jobId });
  }

  /** The job once it is in the state. */
  waitFor(jobId: string, state: JobState, boundMs?: number): Promise<Job> {
    return this.#wait(jobId, `is ${stateName(state)}`, (job) => job.state === state, boundMs);
  }

  waitForEnd(jobId: string, boundMs?: number): Promise<Job> {
    return this.#wait(jobId, 'is over', (job) => !open.has(job.state), boundMs);
  }

  async body(jobId: string): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for await (const { part } of this.#grpc.stream(getJobResult, { jobId }))
      if (part.case === 'body') pieces.push(part.value);
    return Buffer.concat(pieces);
  }

  #wait(jobId: string, what: string, is: (job: Job) => boolean, boundMs?: number): Promise<Job> {
    const look = async () => {
      const job = await this.get(jobId);
      return is(job) && job;
    };
    return until(`${jobId} ${what}`, look, boundMs);
  }
}
