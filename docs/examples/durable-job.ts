// A job that outlives the call, from its submit to its answer: `node docs/examples/durable-job.ts` while `npm start` runs.
// Every step may be interrupted: a submit is sent again by its idempotency key, a watch goes on after its cursor, and a
// result is read again from its beginning.
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, Code, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { JobState } from '../../gen/resproxy/v1/durable_job_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';

type Jobs = Client<typeof JobService>;

const maxTries = 10;

export async function runDurableJob(jobs: Jobs, url: string, key: string): Promise<{ state: JobState; body: Buffer }> {
  const { job } = await again(() => jobs.submitJob({ request: { url }, idempotencyKey: key }, { timeoutMs: 10_000 }));
  const jobId = job?.jobId ?? '';
  const state = await watchToEnd(jobs, jobId);
  const body = state === JobState.SUCCEEDED ? await again(() => readResult(jobs, jobId)) : Buffer.alloc(0);
  return { state, body };
}

/** The state in which the job ended. */
async function watchToEnd(jobs: Jobs, jobId: string): Promise<JobState> {
  let cursor = '';
  let state: JobState = JobState.UNSPECIFIED;
  await again(async () => {
    for await (const change of jobs.watchJob({ jobId, cursor })) {
      ({ cursor, state } = change);
      console.error(cursor, nameOf(state), change.exitId);
    }
  });
  return state;
}

function nameOf(state: JobState): string | undefined {
  return Object.entries(JobState).find(([, number]) => number === state)?.[0];
}

async function readResult(jobs: Jobs, jobId: string): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const { part } of jobs.getJobResult({ jobId })) if (part.case === 'body') pieces.push(part.value);
  return Buffer.concat(pieces);
}

/** What was interrupted, or could not be done just now, is done again: nothing here counts twice. */
async function again<T>(step: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await step();
    } catch (error) {
      const { code } = ConnectError.from(error);
      const passes = [Code.Unavailable, Code.ResourceExhausted, Code.DeadlineExceeded, Code.Aborted].includes(code);
      if (!passes || tries === maxTries) throw error;
      await pause(Math.random() * Math.min(5_000, 100 * 2 ** tries));
    }
  }
}

if (import.meta.main) {
  const {
    RESPROXY_REST = 'http://127.0.0.1:8080',
    RESPROXY_TOKEN,
    ORIGIN = 'http://127.0.0.1:8081/echo',
  } = process.env;
  const token = RESPROXY_TOKEN ?? readFileSync('.resproxy/dev-token', 'utf8').trim();
  const withToken: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transport = createConnectTransport({ baseUrl: RESPROXY_REST, httpVersion: '1.1', interceptors: [withToken] });
  const { body } = await runDurableJob(createClient(JobService, transport), ORIGIN, randomUUID());
  process.stdout.write(body);
}
