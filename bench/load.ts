// Load through either door. Closed loop: a fixed number of jobs with a fixed number in flight. Open loop: jobs at times that
// were fixed beforehand, whatever became of those before.
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { JobService } from '../gen/resproxy/v1/job_pb.ts';
import { GrpcCaller } from '../tests/harness/grpc-caller.ts';

export type Door = 'grpc' | 'rest';

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
  return door === 'grpc' ? grpcCaller(doors, url, exitId) : restCaller(doors, url, inFlight, exitId);
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
  const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return {
    async run() {
      const { response } = await grpc.call(JobService.method.runJob, {
        request: { url, method: 'GET', headers: list },
        target: { exitId },
      });
      if (response?.statusCode !== 200 || response.body.length !== answerBytes) throw new Error('not the answer');
    },
    close: () => grpc.close(),
  };
}

function restCaller({ httpPort, token }: Doors, url: string, inFlight: number, exitId: string): Caller {
  const dispatcher = new Agent({ connections: inFlight, pipelining: 1, allowH2: false });
  const target = exitId === '' ? {} : { target: { exitId } };
  const body = JSON.stringify({ url, method: 'GET', headers, ...target });
  const authorized = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const door = `http://127.0.0.1:${httpPort}/jobs?sync=true`;
  return {
    async run() {
      const response = await request(door, { method: 'POST', headers: authorized, body, dispatcher });
      const text = await response.body.text();
      if (response.statusCode !== 200 || text.length < answerBytes) throw new Error(`not the answer: ${text}`);
    },
    close: () => dispatcher.close(),
  };
}
