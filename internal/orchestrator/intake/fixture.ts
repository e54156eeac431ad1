// Every door on real sockets with everything behind them faked: what the tests of the doors share.
import { create, fromBinary, type MessageInitShape } from '@bufbuild/protobuf';
import { anyUnpack } from '@bufbuild/protobuf/wkt';
import { Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import {
  type ErrorInfo,
  ErrorInfoSchema,
  type RetryInfo,
  RetryInfoSchema,
} from '../../../gen/google/rpc/error_details_pb.ts';
import { StatusSchema } from '../../../gen/google/rpc/status_pb.ts';
import {
  JobService as JobDescriptor,
  RunJobRequestSchema,
  type RunJobResponse,
  StreamJobRequestSchema,
  type StreamJobResponse,
} from '../../../gen/resproxy/v1/job_pb.ts';
import { systemClock } from '../../kit/clock.ts';
import { digestOf } from '../../kit/digest.ts';
import { TimerWheel } from '../../kit/timer-wheel.ts';
import type { TlsFiles } from '../../kit/tls-files.ts';
import type { Job, JobAnswer, JobEvent, JobRunner } from '../dispatch/job.ts';
import type { AgentChange, AgentControl, AgentDirectory, AgentRecord } from '../registry/agents.ts';
import { Admission } from './admission.ts';
import { AgentService } from './agent-service.ts';
import { BearerAuthenticator } from './auth/authenticator.ts';
import { allScopes, type Caller, freshLoad, unlimited } from './auth/caller.ts';
import type { TokenCallers } from './auth/token-callers.ts';
import { openQueue, type QueueOptions } from './durable/durable-fixture.ts';
import { Gate } from './gate.ts';
import { definitionOf } from './grpc/definition.ts';
import { GrpcDoor, type GrpcDoorLimits } from './grpc/grpc-door.ts';
import { HttpDoor } from './http/http-door.ts';
import type { HttpLimits } from './http/http-server.ts';
import type { JobObserver } from './job-observer.ts';
import { JobService } from './job-service.ts';

export const token = 'the-token';

export const exitUsed = {
  exitId: 'home-1/default/direct',
  agentId: 'home-1/default',
  country: 'DE',
  region: 'BE',
  city: 'Berlin',
  asn: 3320,
};

export const answer: JobAnswer = {
  statusCode: 200,
  headers: [
    { name: 'Content-Type', value: 'text/plain' },
    { name: 'X-A', value: '1' },
    { name: 'Set-Cookie', value: 'a=b' },
    { name: 'x-a', value: '2' },
  ],
  body: Buffer.from([0, 1, 2, 255]),
  finalUrl: 'http://example.com/end',
  exit: exitUsed,
  attempts: [{ exitId: exitUsed.exitId, code: undefined, execution: 'DONE', durationMs: 12.5 }],
  timings: { dnsUs: 1, connectUs: 2, tlsUs: 3, firstByteUs: 4, totalUs: 5.4 },
};

/** Runs whatever the test gives it, and remembers the jobs. */
export class FakeRunner implements JobRunner {
  readonly jobs: Job[] = [];
  onRun: (job: Job, signal: AbortSignal) => Promise<JobAnswer> = async () => answer;
  onStream: (job: Job, signal: AbortSignal) => AsyncIterable<JobEvent> = async function* () {};

  run(job: Job, signal: AbortSignal): Promise<JobAnswer> {
    this.jobs.push(job);
    return this.onRun(job, signal);
  }

  stream(job: Job, signal: AbortSignal): AsyncIterable<JobEvent> {
    this.jobs.push(job);
    return this.onStream(job, signal);
  }
}

export class FakeFleet implements AgentDirectory, AgentControl {
  agents: AgentRecord[] = [];
  readonly drained: string[] = [];

  list(tenant: string): readonly AgentRecord[] {
    return tenant === 'acme' ? this.agents : [];
  }

  get(tenant: string, agentId: string): AgentRecord | undefined {
    return this.list(tenant).find((agent) => agent.agentId === agentId);
  }

  async *watch(tenant: string, signal: AbortSignal): AsyncGenerator<AgentChange, void, undefined> {
    for (const agent of this.list(tenant)) yield { type: 'added', agent };
    yield { type: 'synced' };
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
  }

  async drain(agentId: string): Promise<number> {
    this.drained.push(agentId);
    return 1;
  }

  async disconnect(): Promise<number> {
    return 2;
  }
}

export function agentRecord(agentId: string, changes: Partial<AgentRecord> = {}): AgentRecord {
  return {
    connectionId: `c-${agentId}`,
    agentId,
    status: 'available',
    connectedAt: 1_700_000_000_000,
    lastHeartbeat: 1_700_000_001_500,
    podId: 'pod-1',
    version: '0.1.0',
    metadata: { platform: 'linux' },
    exits: [
      {
        exitId: `${agentId}/direct`,
        name: 'direct',
        kind: 'direct',
        state: 'available',
        capacity: 8,
        inFlight: 1,
        country: 'DE',
        region: '',
        city: '',
        asn: 0,
        labels: new Map([['rack', '7']]),
      },
    ],
    ...changes,
  };
}

export interface Told extends JobObserver {
  readonly finishedJobs: string[];
  readonly refusedJobs: string[];
}

export interface DoorsOptions {
  readonly host?: string;
  readonly allowPlaintext?: boolean;
  readonly caller?: Partial<Caller>;
  readonly tls?: TlsFiles;
  readonly grpcLimits?: Partial<GrpcDoorLimits>;
  readonly httpLimits?: Partial<HttpLimits>;
  readonly corsOrigins?: readonly string[];
  readonly maxInFlight?: number;
  readonly queue?: Partial<QueueOptions>;
  /** Callers that show a token of an issuer. */
  readonly tokens?: TokenCallers;
}

export type Doors = Awaited<ReturnType<typeof openDoors>>;

export async function openDoors(options: DoorsOptions = {}) {
  const clock = systemClock;
  const runner = new FakeRunner();
  const fleet = new FakeFleet();
  const told = observer();
  const health = {
    healthy: true,
    report: () => ({ healthy: health.healthy, checks: { pod: health.healthy ? 'OK' : 'ill' } }),
  };
  const caller: Caller = {
    name: 'tester',
    tenant: 'acme',
    scopes: new Set(allScopes),
    limits: unlimited,
    load: freshLoad(),
    ...options.caller,
  };
  const byDigest = (digest: string) => (digest === digestOf(token) ? caller : undefined);
  const authenticator = new BearerAuthenticator({ byDigest }, options.tokens);
  const admission = new Admission({ clock, maxInFlight: options.maxInFlight ?? 1000 });
  const gate = new Gate({ clock, authenticator, admission, observer: told });
  let jobs = 0;
  const newJobId = () => `job-${++jobs}`;
  const queue = openQueue({ clock, newJobId, ...options.queue });
  const shared = {
    host: options.host ?? '127.0.0.1',
    port: 0,
    tls: options.tls,
    allowPlaintext: options.allowPlaintext ?? false,
    trustedProxies: [],
    gate,
    jobs: new JobService({ ...queue, runner, clock, newJobId, observer: told, maxAttempts: 3 }),
    durable: queue.durable,
    agents: new AgentService(fleet, fleet, clock),
    health,
    clock,
    wheel: new TimerWheel(clock, 10),
    newRequestId: () => 'made-here',
    log: pino({ level: 'silent' }),
  };
  const grpc = new GrpcDoor({ ...shared, limits: options.grpcLimits ?? {} });
  const http = new HttpDoor({
    ...shared,
    corsOrigins: options.corsOrigins ?? [],
    limits: options.httpLimits ?? {},
  });
  const grpcPort = (await grpc.start()).port;
  const httpPort = (await http.start()).port;
  return {
    runner,
    queue,
    fleet,
    told,
    health,
    caller,
    admission,
    grpc,
    http,
    grpcPort,
    httpPort,
    httpUrl: `${options.tls ? 'https' : 'http'}://127.0.0.1:${httpPort}`,
    close: async () => {
      await Promise.all([grpc.stop(0), http.stop(0)]);
      await queue.close();
    },
  };
}

function observer(): Told {
  const finishedJobs: string[] = [];
  const refusedJobs: string[] = [];
  return {
    finishedJobs,
    refusedJobs,
    started() {},
    finished: (door, code) => finishedJobs.push(`${door} ${code}`),
    refused: (door, code) => refusedJobs.push(`${door} ${code}`),
  };
}

/** What a failed call says of itself. */
export interface GrpcFailure {
  readonly code: number;
  readonly message: string;
  readonly info: ErrorInfo | undefined;
  readonly retry: RetryInfo | undefined;
}

export class GrpcCaller {
  readonly client: Client;
  readonly metadata = new Metadata();

  constructor(port: number, credential = credentials.createInsecure(), authorization = `Bearer ${token}`) {
    this.client = new Client(`127.0.0.1:${port}`, credential, {
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    });
    if (authorization !== '') this.metadata.set('authorization', authorization);
  }

  runJob(init: MessageInitShape<typeof RunJobRequestSchema>, deadlineMs?: number): Promise<RunJobResponse> {
    const { path, requestSerialize, responseDeserialize } = definitionOf(JobDescriptor.method.runJob);
    const request = create(RunJobRequestSchema, init);
    const options = deadlineMs === undefined ? {} : { deadline: Date.now() + deadlineMs };
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        this.metadata,
        options,
        (error, response) => (error ? reject(error) : resolve(response as RunJobResponse)),
      );
    });
  }

  async failure(init: MessageInitShape<typeof RunJobRequestSchema>): Promise<GrpcFailure> {
    return failureOf(this.runJob(init));
  }

  streamJob(init: MessageInitShape<typeof StreamJobRequestSchema>) {
    const { path, requestSerialize, responseDeserialize } = definitionOf(JobDescriptor.method.streamJob);
    const request = create(StreamJobRequestSchema, init);
    return this.client.makeServerStreamRequest<unknown, StreamJobResponse>(
      path,
      requestSerialize as (value: unknown) => Buffer,
      responseDeserialize,
      request,
      this.metadata,
    );
  }

  close(): void {
    this.client.close();
  }
}

/** What the call fails with; a call that succeeds fails the test. */
export async function failureOf(call: Promise<unknown>): Promise<GrpcFailure> {
  const error = await call.then(
    () => {
      throw new Error('the call succeeded');
    },
    (reason: ServiceError) => reason,
  );
  return toFailure(error);
}

export function toFailure(error: ServiceError): GrpcFailure {
  const bytes = error.metadata.get('grpc-status-details-bin')[0];
  const details = Buffer.isBuffer(bytes) ? fromBinary(StatusSchema, bytes).details : [];
  return {
    code: error.code,
    message: error.details,
    info: details.map((any) => anyUnpack(any, ErrorInfoSchema)).find(Boolean),
    retry: details.map((any) => anyUnpack(any, RetryInfoSchema)).find(Boolean),
  };
}
