// A client to copy: sends a job again exactly when that is safe and sensible. Safe: the failure says that no byte of
// the request left (`execution` NOT_STARTED), or the job may be repeated. Sensible: the failure carries RetryInfo, and
// its delay is kept. As a program: `node docs/examples/resilient-client.ts` while `npm start` runs.
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { ErrorInfoSchema, RetryInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../gen/google/rpc/status_pb.ts';
import { RunJobRequestSchema, type RunJobResponse, RunJobResponseSchema } from '../../gen/resproxy/v1/job_pb.ts';

export type Job = MessageInitShape<typeof RunJobRequestSchema>;

export interface ResilientOptions {
  /** The job may reach its origin more than once: it is a read, or the origin recognises repeats. */
  readonly idempotent: boolean;
  /** For everything together, pauses included. */
  readonly timeoutMs: number;
}

/** What went wrong, and what is known of it. */
export class JobError extends Error {
  readonly reason: string;
  /** NOT_STARTED, POSSIBLE or DONE: whether the request may have reached the origin. */
  readonly execution: string;
  /** When to send it again; undefined when that would not help. */
  readonly retryAfterMs: number | undefined;

  constructor(error: ServiceError) {
    super(error.details, { cause: error });
    const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
    const details = bytes instanceof Uint8Array ? fromBinary(StatusSchema, bytes).details : [];
    const info = details.map((any) => anyUnpack(any, ErrorInfoSchema)).find((found) => found !== undefined);
    const retry = details.map((any) => anyUnpack(any, RetryInfoSchema)).find((found) => found !== undefined);
    // Without details the failure is the line's: nothing is known of the request.
    this.reason = info?.reason ?? 'UNKNOWN';
    this.execution = info?.metadata.execution ?? 'POSSIBLE';
    const { seconds = 0n, nanos = 0 } = retry?.retryDelay ?? {};
    this.retryAfterMs = retry && Number(seconds) * 1_000 + nanos / 1_000_000;
  }
}

export class ResilientClient {
  readonly #client: Client;
  readonly #metadata = new Metadata();

  constructor(address: string, token: string, security = credentials.createInsecure()) {
    this.#client = new Client(address, security);
    this.#metadata.set('authorization', `Bearer ${token}`);
  }

  /** Rejects with a JobError. */
  async runJob(job: Job, { idempotent, timeoutMs }: ResilientOptions): Promise<RunJobResponse> {
    const deadline = Date.now() + timeoutMs;
    for (let tries = 1; ; tries++) {
      try {
        return await this.#once(job, deadline);
      } catch (error) {
        if (!(error instanceof JobError) || error.retryAfterMs === undefined) throw error;
        if (error.execution !== 'NOT_STARTED' && !idempotent) throw error;
        // At least what was asked for, growing, and never in step with other clients.
        const delayMs = error.retryAfterMs + Math.random() * Math.min(10_000, 100 * 2 ** tries);
        if (Date.now() + delayMs >= deadline) throw error;
        await pause(delayMs);
      }
    }
  }

  close(): void {
    this.#client.close();
  }

  #once(job: Job, deadline: number): Promise<RunJobResponse> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        '/resproxy.v1.JobService/RunJob',
        (message) => Buffer.from(toBinary(RunJobRequestSchema, message)),
        (bytes) => fromBinary(RunJobResponseSchema, bytes),
        create(RunJobRequestSchema, job),
        this.#metadata,
        { deadline },
        (error, answer) => (answer ? resolve(answer) : reject(error ? new JobError(error) : new Error('no answer'))),
      );
    });
  }
}

if (import.meta.main) {
  const { RESPROXY_GRPC = '127.0.0.1:9090', RESPROXY_TOKEN, ORIGIN = 'http://127.0.0.1:8081/echo' } = process.env;
  const token = RESPROXY_TOKEN ?? readFileSync('.resproxy/dev-token', 'utf8').trim();
  const client = new ResilientClient(RESPROXY_GRPC, token);
  const { response } = await client.runJob({ request: { url: ORIGIN } }, { idempotent: true, timeoutMs: 30_000 });
  console.log(response?.statusCode, new TextDecoder().decode(response?.body));
  client.close();
}
