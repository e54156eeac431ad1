import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { JobState } from '../../../gen/resproxy/v1/durable_job_pb.ts';
import { JobService } from '../../../gen/resproxy/v1/job_pb.ts';
import { answers } from '../dispatch/fake-links.ts';
import { connectClient, connectFailure, protocols } from './connect/connect-fixture.ts';
import { type Doors, openDoors, token } from './fixture.ts';

// One durable job through every door of protobuf: what is handed over at one is seen alike at the others.

type Jobs = Client<typeof JobService>;

let doors: Doors;
let clients: Map<string, Jobs>;
const url = 'http://example.com/';

beforeEach(async () => {
  doors = await openDoors({ queue: { fates: [answers('hello')], settings: { maxOpenPerTenant: 1 } } });
  clients = new Map([['gRPC', nativeClient(doors.grpcPort)]]);
  for (const protocol of protocols) clients.set(protocol, connectClient(JobService, doors.httpUrl, protocol));
});

afterEach(() => doors.close());

function nativeClient(port: number): Jobs {
  const withToken: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  return createClient(
    JobService,
    createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}`, interceptors: [withToken] }),
  );
}

async function collect<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

test('a job is submitted, watched, read and listed alike by every door', async () => {
  for (const [name, submitting] of clients) {
    const { job } = await submitting.submitJob({ request: { url }, labels: { by: 'door' } });
    const jobId = job?.jobId ?? '';
    const seen = [];
    for (const client of clients.values()) {
      const changes = await collect(client.watchJob({ jobId }));
      const result = await collect(client.getJobResult({ jobId }));
      const { job: read } = await client.getJob({ jobId });
      const { jobs } = await client.listJobs({ pageSize: 1, labels: { by: 'door' } });
      const { job: ended } = await client.cancelJob({ jobId });
      seen.push({ changes, result, read, listed: jobs.map((listed) => listed.jobId), ended });
    }
    const [first, ...others] = seen;
    expect({ name, state: first?.read?.state, listed: first?.listed }).toEqual({
      name,
      state: JobState.SUCCEEDED,
      listed: [jobId],
    });
    expect(first?.result.map(({ part }) => part.case)).toEqual(['head', 'body']);
    expect(others).toEqual(Array(clients.size - 1).fill(first));
  }
});

test('a batch has the same outcomes by every door, and its label is watched alike', async () => {
  const jobs = [
    { request: { url }, priority: 10 },
    { request: { url }, labels: { batch: '1' }, idempotencyKey: 'k' },
  ];
  const native = nativeClient(doors.grpcPort);
  await native.submitJobs({ jobs });
  await collect(native.watchJob({ jobId: 'job-2' }));
  const seen = [];
  for (const client of clients.values()) {
    const { outcomes } = await client.submitJobs({ jobs });
    expect(outcomes.map(({ outcome }) => outcome.case)).toEqual(['failure', 'submitted']);
    const told = [];
    for await (const { event } of client.watchJobs({ labels: { batch: '1' }, presentFirst: true })) {
      told.push(event);
      if (event.case === 'synced') break;
    }
    seen.push({ outcomes, told });
  }
  expect(seen[0]?.told).toMatchObject([{ case: 'present', value: { jobId: 'job-2' } }, { case: 'synced' }]);
  expect(seen).toEqual(Array(clients.size).fill(seen[0]));
});

describe('what goes wrong is told alike by every door', () => {
  const failures: Record<string, (jobs: Jobs) => Promise<unknown>> = {
    'JOB_NOT_FOUND job_id': (jobs) => jobs.getJob({ jobId: 'nobodys' }),
    'JOB_NOT_FOUND job_id of a watch': (jobs) => collect(jobs.watchJob({ jobId: 'nobodys' })),
    'JOB_STATE_CONFLICT job_id': (jobs) => collect(jobs.getJobResult({ jobId: 'job-1' })),
    'JOB_STATE_CONFLICT job_id of a job that is not over': (jobs) => jobs.redriveJob({ jobId: 'job-1' }),
    'INVALID_REQUEST job_id': (jobs) => jobs.cancelJob({}),
    'INVALID_REQUEST priority': (jobs) => jobs.submitJob({ request: { url }, priority: 10 }),
    'IDEMPOTENCY_KEY_CONFLICT idempotency_key': (jobs) =>
      jobs.submitJob({ request: { url, method: 'PUT' }, idempotencyKey: 'k' }),
    'JOB_STATE_CONFLICT job_id of a job without a callback': (jobs) => jobs.redeliverCallback({ jobId: 'job-1' }),
    'INVALID_REQUEST jobs': (jobs) => jobs.submitJobs({}),
    'INVALID_REQUEST labels': (jobs) => collect(jobs.watchJobs({})),
    TENANT_QUEUE_FULL: (jobs) => jobs.submitJob({ request: { url } }),
  };

  test.each(Object.entries(failures))('%s', async (name, call) => {
    const [code, field] = name.split(' ');
    await clients.get('gRPC')?.submitJob({
      request: { url },
      delay: { seconds: 3600n },
      idempotencyKey: 'k',
    });
    const told = [];
    for (const client of clients.values()) {
      const { message, info, retry } = await connectFailure(call(client));
      told.push({ message, reason: info?.reason, metadata: info?.metadata, retry: retry?.retryDelay?.seconds });
    }
    expect(told[0]).toMatchObject({ reason: code });
    expect(told[0]?.metadata?.field).toBe(field);
    expect(told).toEqual(Array(clients.size).fill(told[0]));
  });
});

describe('scopes', () => {
  const submits = (jobs: Jobs) => jobs.submitJob({ request: { url } });
  const reads = (jobs: Jobs) => jobs.listJobs({});

  test.each([
    ['jobs:run', submits, reads],
    ['jobs:read', reads, submits],
  ] as const)('%s allows its own part and no other', async (scope, allowed, denied) => {
    await doors.close();
    doors = await openDoors({ caller: { scopes: new Set([scope]) } });
    for (const client of [nativeClient(doors.grpcPort), connectClient(JobService, doors.httpUrl, 'Connect JSON')]) {
      await allowed(client);
      expect((await connectFailure(denied(client))).info?.reason).toBe('SCOPE_DENIED');
    }
  });
});

test('a watch of a pod that goes away ends with DRAINING, at every door', async () => {
  await clients.get('gRPC')?.submitJob({ request: { url }, delay: { seconds: 3600n } });
  const watches = [...clients.values()].map((client) => client.watchJob({ jobId: 'job-1' })[Symbol.asyncIterator]());
  for (const watch of watches) await watch.next();
  doors.queue.durable.endWatches();
  for (const watch of watches) expect((await connectFailure(watch.next())).info?.reason).toBe('DRAINING');
});
