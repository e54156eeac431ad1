// What goes wrong with durable jobs, told alike by every door of a real orchestrator: the same code, the same field, and
// the same word on whether to try again.
import { Code, type Client as ConnectClient, ConnectError, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { expect } from '@jest/globals';
import { ErrorInfoSchema } from '../../gen/google/rpc/error_details_pb.ts';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';
import { Access } from '../harness/access.ts';
import { connectClient } from '../harness/connect-caller.ts';
import { Pod } from '../harness/pod.ts';
import { RestCaller } from '../harness/rest-caller.ts';
import { shared, story } from '../harness/story.ts';
import { TempDir } from '../harness/temp.ts';

type Jobs = ConnectClient<typeof JobService>;

/** What a caller is told, apart from words. */
interface Told {
  readonly code: unknown;
  readonly field: unknown;
  readonly execution: unknown;
  readonly retryable: unknown;
}

interface Failure {
  readonly sentence: string;
  readonly code: string;
  readonly field?: string;
  /** As REST names it, where that is not the same. */
  readonly restField?: string;
  readonly retryable?: boolean;
  readonly by: 'owner' | 'rival';
  readonly rpc: (jobs: Jobs, jobId: string) => Promise<unknown>;
  readonly rest: (jobId: string) => readonly [method: string, path: string, body?: object];
}

const url = 'http://example.com/';
const nobodys = '00000000-0000-4000-8000-000000000000';
const unknownJob = { code: 'JOB_NOT_FOUND', field: 'job_id', restField: 'jobId' };

const failures: readonly Failure[] = [
  {
    sentence: 'a job that nobody has',
    ...unknownJob,
    by: 'owner',
    rpc: (jobs) => jobs.getJob({ jobId: nobodys }),
    rest: () => ['GET', `/jobs/${nobodys}`],
  },
  {
    sentence: 'a watch of a job that nobody has',
    ...unknownJob,
    by: 'owner',
    rpc: (jobs) => drain(jobs.watchJob({ jobId: nobodys })),
    rest: () => ['GET', `/jobs/${nobodys}/events`],
  },
  {
    sentence: 'another tenant’s job',
    ...unknownJob,
    by: 'rival',
    rpc: (jobs, jobId) => jobs.getJob({ jobId }),
    rest: (jobId) => ['GET', `/jobs/${jobId}`],
  },
  {
    sentence: 'an end to another tenant’s job',
    ...unknownJob,
    by: 'rival',
    rpc: (jobs, jobId) => jobs.cancelJob({ jobId }),
    rest: (jobId) => ['DELETE', `/jobs/${jobId}`],
  },
  {
    sentence: 'a key that belongs to another request',
    code: 'IDEMPOTENCY_KEY_CONFLICT',
    field: 'idempotency_key',
    restField: 'idempotencyKey',
    by: 'owner',
    rpc: (jobs) => jobs.submitJob({ request: { url: `${url}other` }, idempotencyKey: 'k' }),
    rest: () => ['POST', '/jobs', { url: `${url}other`, idempotencyKey: 'k' }],
  },
  {
    sentence: 'a full queue',
    code: 'TENANT_QUEUE_FULL',
    retryable: true,
    by: 'owner',
    rpc: (jobs) => jobs.submitJob({ request: { url } }),
    rest: () => ['POST', '/jobs', { url }],
  },
  {
    sentence: 'a field out of its bounds',
    code: 'INVALID_REQUEST',
    field: 'priority',
    by: 'owner',
    rpc: (jobs) => jobs.submitJob({ request: { url }, priority: 10 }),
    rest: () => ['POST', '/jobs', { url, priority: 10 }],
  },
  {
    sentence: 'the result of a job that is not over',
    code: 'JOB_STATE_CONFLICT',
    field: 'job_id',
    restField: 'jobId',
    by: 'owner',
    rpc: (jobs, jobId) => drain(jobs.getJobResult({ jobId })),
    rest: (jobId) => ['GET', `/jobs/${jobId}/result`],
  },
  {
    sentence: 'the callback of a job that has none',
    code: 'JOB_STATE_CONFLICT',
    field: 'job_id',
    restField: 'jobId',
    by: 'owner',
    rpc: (jobs, jobId) => jobs.redeliverCallback({ jobId }),
    rest: (jobId) => ['POST', `/jobs/${jobId}/callback/redeliver`],
  },
];

const lab = shared(async (use) => {
  const dir = use(await TempDir.make());
  const access = await Access.make(dir, () => []);
  const rival = await access.addCaller('rival', 'beta', ['jobs:run', 'jobs:read']);
  const env = { ...access.env, RESPROXY_MAX_OPEN_JOBS: '1' };
  const pod = use(await Pod.start({ name: 'orchestrator', cwd: dir.path, env, token: access.token }));
  const owner = nativeClient(pod, access.token);
  const { job } = await owner.submitJob({ request: { url }, idempotencyKey: 'k', delay: { seconds: 3600n } });
  const tokens = { owner: access.token, rival };
  return { pod, tokens, jobId: job?.jobId ?? '' };
});

for (const failure of failures)
  story(`${failure.sentence} is told alike by every door`, async () => {
    const { pod, tokens, jobId } = lab();
    const { code, field, restField = field, retryable = false, by, rpc, rest } = failure;
    const token = tokens[by];
    const expected: Told = { code, field, execution: 'NOT_STARTED', retryable: String(retryable) };
    const clients = {
      gRPC: nativeClient(pod, token),
      'Connect JSON': connectClient(JobService, { port: pod.ports.http, token, protocol: 'Connect JSON' }),
      'gRPC-Web': connectClient(JobService, { port: pod.ports.http, token, protocol: 'gRPC-Web' }),
    };
    const told: Record<string, Told> = {};
    for (const [door, client] of Object.entries(clients)) told[door] = await failureOf(rpc(client, jobId));
    const [method, path, body] = rest(jobId);
    const { json } = await new RestCaller(pod.ports.http, token).request(method, path, body && JSON.stringify(body));
    expect({ ...told, REST: { ...json, field: json.field, retryable: String(json.retryable) } }).toMatchObject({
      gRPC: expected,
      'Connect JSON': expected,
      'gRPC-Web': expected,
      REST: { ...expected, field: restField },
    });
  });

function nativeClient({ ports }: Pod, token: string): Jobs {
  const withToken: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transport = createGrpcTransport({
    baseUrl: `http://127.0.0.1:${ports.grpc}`,
    interceptors: [withToken],
    idleConnectionTimeoutMs: 100,
  });
  return createClient(JobService, transport);
}

async function failureOf(call: Promise<unknown>): Promise<Told> {
  const error = await call.then(
    () => new ConnectError('the call succeeded', Code.Unknown),
    (reason: unknown) => ConnectError.from(reason),
  );
  const info = error.findDetails(ErrorInfoSchema)[0];
  const { field, execution, retryable } = info?.metadata ?? {};
  return { code: info?.reason ?? error.message, field, execution, retryable };
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of stream);
}
