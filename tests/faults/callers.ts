// Callers for a run of faults: each asks one address with one kind of call, never twice for one job, and says in plain
// words how the call ended.
import { createHash } from 'node:crypto';
import { Agent, request as send } from 'undici';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { callFailure, GrpcCaller } from '../harness/grpc-caller.ts';
import type { Echo } from '../harness/origin-routes.ts';
import type { Door, Outcome } from './history.ts';

export interface Job {
  readonly id: string;
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly body: Buffer;
}

export interface Caller {
  readonly door: Door;
  /** The pod that it asks, or `balancer`. */
  readonly via: string;
  run(job: Job): Promise<Outcome>;
  close(): Promise<void>;
}

export interface Address {
  readonly via: string;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly token: string;
}

/** A job that takes longer has its deadline; a call that takes longer than this hangs. */
const jobTimeoutSeconds = 15;
const callBoundMs = 20_000;

export function callerAt(door: Door, address: Address): Caller {
  switch (door) {
    case 'grpc':
      return grpcCaller(address);
    case 'rest':
      return restCaller(address);
    case 'stream':
      return streamCaller(address);
  }
}

function grpcCaller({ via, grpcPort, token }: Address): Caller {
  const grpc = new GrpcCaller(grpcPort, token);
  const run = async (job: Job): Promise<Outcome> => {
    const { response, attempts } = await grpc.call(JobService.method.runJob, requestOf(job), callOptions);
    return succeeded(echoedDigest(Buffer.from(response?.body ?? [])), attempts.length);
  };
  return { door: 'grpc', via, run: (job) => run(job).catch(grpcOutcome), close: () => grpc.close() };
}

/** Holds its stream open for as long as the origin drips. */
function streamCaller({ via, grpcPort, token }: Address): Caller {
  const grpc = new GrpcCaller(grpcPort, token);
  const run = async (job: Job): Promise<Outcome> => {
    const hash = createHash('sha256');
    let attempts = 0;
    for await (const { event } of grpc.stream(JobService.method.streamJob, requestOf(job), callOptions)) {
      if (event.case === 'body') hash.update(event.value);
      if (event.case === 'summary') attempts = event.value.attempts.length;
    }
    return attempts > 0 ? succeeded(hash.digest('hex'), attempts) : { result: 'broken', why: 'no summary' };
  };
  return { door: 'stream', via, run: (job) => run(job).catch(grpcOutcome), close: () => grpc.close() };
}

/** HTTP/1.1 with one connection that is kept alive. */
function restCaller({ via, httpPort, token }: Address): Caller {
  const dispatcher = new Agent({ connections: 1, pipelining: 1, allowH2: false });
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const url = `http://127.0.0.1:${httpPort}/jobs?sync=true`;
  const run = async (job: Job): Promise<Outcome> => {
    const signal = AbortSignal.timeout(callBoundMs);
    const answer = await send(url, { method: 'POST', headers, body: restBody(job), dispatcher, signal });
    const json = (await answer.body.json()) as RestJson;
    if (answer.statusCode === 200) {
      return succeeded(echoedDigest(Buffer.from(json.result.body, 'base64')), json.attempts.length);
    }
    return { result: 'failed', code: json.code, execution: json.execution };
  };
  return { door: 'rest', via, run: (job) => run(job).catch(brokenOff), close: () => dispatcher.destroy() };
}

interface RestJson {
  readonly code: string;
  readonly execution: string;
  readonly result: { readonly body: string };
  readonly attempts: readonly unknown[];
}

const callOptions = { deadlineMs: callBoundMs };
const timeout = { seconds: BigInt(jobTimeoutSeconds) };

function requestOf({ id, method, url, body }: Job) {
  return { request: { url, method, body, headers: [{ name: 'x-marker', value: id }] }, timeout };
}

function restBody({ id, method, url, body }: Job): string {
  const headers = { 'x-marker': id };
  const timeoutMs = jobTimeoutSeconds * 1_000;
  const sent = body.length > 0 ? { body: body.toString('base64'), bodyEncoding: 'base64' } : {};
  return JSON.stringify({ url, method, headers, timeoutMs, ...sent });
}

function succeeded(sha256: string, attempts: number): Outcome {
  return { result: 'succeeded', sha256, attempts };
}

/** What the origin says of the body that reached it. */
function echoedDigest(answer: Buffer): string {
  return (JSON.parse(answer.toString()) as Echo).bodySha256;
}

function grpcOutcome(error: unknown): Outcome {
  const { status, message, info } = callFailure(error);
  if (!info) return { result: 'broken', why: `${status} ${message}` };
  return { result: 'failed', code: info.reason, execution: info.metadata.execution ?? '' };
}

function brokenOff(error: unknown): Outcome {
  return { result: 'broken', why: String(error) };
}
