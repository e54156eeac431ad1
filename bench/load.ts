// Load through any door. Closed loop: a fixed number of jobs with a fixed number in flight. Open loop: jobs at times that
// were fixed beforehand, whatever became of those before.
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { create, toBinary, toJsonString } from '@bufbuild/protobuf';
import { Agent, request } from 'undici';
import { JobService, RunJobRequestSchema } from '../gen/resproxy/v1/job_pb.ts';
import { GrpcCaller } from '../tests/harness/grpc-caller.ts';

export const doors = ['grpc', 'rest', 'connectJson', 'connectBinary'] as const;
export type Door = (typeof doors)[number];

export interface Doors {
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly token: string;
}

/** Runs one job and fails when its answer is not the origin's. */
export interface Caller {
  readonly run: () => Promise<void>;
  close(): Promise<void>;
}

const headers: Readonly<Record<string, string>> = {
  'User-Agent': 'resproxy-bench/1',
  Accept: 'text/html,application/xhtml+xml',
  'Accept-Language': 'en',
};
const answerBytes = 2048;

/** With `exitId` every job goes through that exit. */
export function caller(door: Door, doors: Doors, url: string, inFlight: number, exitId = ''): Caller {
  return door === 'grpc' ? grpcCaller(doors, url, exitId) : httpCaller(callOf(door, url, exitId), doors, inFlight);
}

export async function load(run: () => Promise<void>, jobs: number, inFlight: number): Promise<void> {
  let started = 0;
  const worker = async () => {
    while (started++ < jobs) await run();
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

/** Milliseconds from the time at which each job was due, so that a stall counts for every job that it held up. */
export async function openLoad(run: () => Promise<void>, jobs: number, perSecond: number): Promise<number[]> {
  const begin = performance.now();
  const dueAt = (job: number) => begin + (job * 1000) / perSecond;
  const latencies: Promise<number>[] = [];
  for (let job = 0; job < jobs; job++) {
    const waitMs = dueAt(job) - performance.now();
    // A timer is a millisecond late; what is due sooner than that is waited for turn by turn.
    if (waitMs > 2) await pause(waitMs - 1.5);
    while (performance.now() < dueAt(job)) await turn();
    latencies.push(run().then(() => performance.now() - dueAt(job)));
  }
  return Promise.all(latencies);
}

function grpcCaller({ grpcPort, token }: Doors, url: string, exitId: string): Caller {
  const grpc = new GrpcCaller(grpcPort, token);
  const message = runJobRequest(url, exitId);
  return {
    async run() {
      const { response } = await grpc.call(JobService.method.runJob, message);
      if (response?.statusCode !== 200 || response.body.length !== answerBytes) throw new Error('not the answer');
    },
    close: () => grpc.close(),
  };
}

/** A call that is one request and one answer of HTTP, as bytes that were made beforehand: the caller costs the least. */
interface HttpCall {
  readonly path: string;
  readonly type: string;
  readonly body: string | Uint8Array;
}

function callOf(door: Exclude<Door, 'grpc'>, url: string, exitId: string): HttpCall {
  const path = `/${JobService.typeName}/${JobService.method.runJob.name}`;
  const message = runJobRequest(url, exitId);
  switch (door) {
    case 'rest':
      return {
        path: '/jobs?sync=true',
        type: 'application/json',
        body: JSON.stringify({ url, method: 'GET', headers, ...(exitId !== '' && { target: { exitId } }) }),
      };
    case 'connectJson':
      return { path, type: 'application/json', body: toJsonString(RunJobRequestSchema, message) };
    case 'connectBinary':
      return { path, type: 'application/proto', body: toBinary(RunJobRequestSchema, message) };
  }
}

function httpCaller({ path, type, body }: HttpCall, { httpPort, token }: Doors, inFlight: number): Caller {
  const dispatcher = new Agent({ connections: inFlight, pipelining: 1, allowH2: false });
  const authorized = { authorization: `Bearer ${token}`, 'content-type': type };
  const target = `http://127.0.0.1:${httpPort}${path}`;
  return {
    async run() {
      const response = await request(target, { method: 'POST', headers: authorized, body, dispatcher });
      const answer = await response.body.arrayBuffer();
      if (response.statusCode !== 200 || answer.byteLength < answerBytes)
        throw new Error(`not the answer: ${Buffer.from(answer).toString()}`);
    },
    close: () => dispatcher.close(),
  };
}

function runJobRequest(url: string, exitId: string) {
  const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return create(RunJobRequestSchema, {
    request: { url, method: 'GET', headers: list },
    ...(exitId !== '' && { target: { exitId } }),
  });
}
