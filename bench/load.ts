// Closed-loop load: a fixed number of jobs with a fixed number in flight, through either door.
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

export function caller(door: Door, doors: Doors, url: string, inFlight: number): Caller {
  return door === 'grpc' ? grpcCaller(doors, url) : restCaller(doors, url, inFlight);
}

/** Milliseconds of every job, in the order of their ends. */
export async function load(run: () => Promise<void>, jobs: number, inFlight: number): Promise<number[]> {
  const latencies: number[] = [];
  let started = 0;
  const worker = async () => {
    while (started < jobs) {
      started++;
      const begin = performance.now();
      await run();
      latencies.push(performance.now() - begin);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return latencies;
}

function grpcCaller({ grpcPort, token }: Doors, url: string): Caller {
  const grpc = new GrpcCaller(grpcPort, token);
  const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
  return {
    async run() {
      const { response } = await grpc.call(JobService.method.runJob, {
        request: { url, method: 'GET', headers: list },
      });
      if (response?.statusCode !== 200 || response.body.length !== answerBytes) throw new Error('not the answer');
    },
    close: () => grpc.close(),
  };
}

function restCaller({ httpPort, token }: Doors, url: string, inFlight: number): Caller {
  const dispatcher = new Agent({ connections: inFlight, pipelining: 1, allowH2: false });
  const body = JSON.stringify({ url, method: 'GET', headers });
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
