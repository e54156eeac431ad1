// The doors of the floor's pods: the least code that takes RunJob over gRPC, REST and Connect, makes one Frame of it and
// answers with what comes back. No auth, no choice, no retry, no limits.
import { randomUUID } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type Frame, FrameSchema, type OpenOk } from '../../gen/resproxy/v1/channel_pb.ts';
import { type HttpRequest, TimingsSchema } from '../../gen/resproxy/v1/http_pb.ts';
import { AttemptSchema, ExitInfoSchema } from '../../gen/resproxy/v1/job_parts_pb.ts';
import {
  JobService,
  RunJobRequestSchema,
  type RunJobResponse,
  RunJobResponseSchema,
} from '../../gen/resproxy/v1/job_pb.ts';

type Answered = (jobId: string, head: OpenOk) => void;

const isolationKey = new Uint8Array(32);
const exit = create(ExitInfoSchema, { exitId: 'bench/default/direct', agentId: 'bench/default' });
const attempt = create(AttemptSchema, { exitId: exit.exitId, execution: 3, duration: { nanos: 1_000_000 } });
const noTimings = create(TimingsSchema);
const waiting = new Map<number, { readonly jobId: string; readonly answered: Answered }>();
let send: (frame: Uint8Array) => void = () => {};
let lastStream = 0;

function open(request: Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>, answered: Answered): void {
  const streamId = ++lastStream;
  const jobId = randomUUID();
  waiting.set(streamId, { jobId, answered });
  const { method, url, headers, body } = request;
  const frame: Frame = {
    $typeName: 'resproxy.v1.Frame',
    streamId,
    body: {
      case: 'open',
      value: {
        $typeName: 'resproxy.v1.Open',
        exit: 'direct',
        kind: {
          case: 'http',
          value: {
            $typeName: 'resproxy.v1.HttpOpen',
            method,
            url,
            headers,
            maxRedirects: 10,
            decompress: false,
            maxResponseBytes: 0n,
          },
        },
        deadlineMs: 30_000,
        jobId,
        attempt: 1,
        idempotent: true,
        isolationKey,
        traceparent: '',
        window: 262_144,
        body,
        end: true,
      },
    },
  };
  send(toBinary(FrameSchema, frame));
}

/** Answers the job whose frame this is. */
export function onFrame(bytes: Uint8Array): void {
  const { streamId, body } = fromBinary(FrameSchema, bytes);
  const job = waiting.get(streamId);
  waiting.delete(streamId);
  if (job && body.case === 'openOk') job.answered(job.jobId, body.value);
}

// The gRPC door.
const grpc = new Server();
grpc.addService(
  {
    runJob: {
      path: `/${JobService.typeName}/RunJob`,
      requestStream: false,
      responseStream: false,
      requestSerialize: (value) => Buffer.from(toBinary(RunJobRequestSchema, value)),
      requestDeserialize: (bytes) => fromBinary(RunJobRequestSchema, bytes),
      responseSerialize: (value) => Buffer.from(toBinary(RunJobResponseSchema, value)),
      responseDeserialize: (bytes) => fromBinary(RunJobResponseSchema, bytes),
    },
  },
  {
    runJob: (call: { request: { request: HttpRequest } }, done: (error: null, response: RunJobResponse) => void) => {
      open(call.request.request, (jobId, head) => done(null, toResponse(jobId, head)));
    },
  },
);

function toResponse(jobId: string, { statusCode, headers, body, finalUrl, timings }: OpenOk): RunJobResponse {
  return {
    $typeName: 'resproxy.v1.RunJobResponse',
    jobId,
    response: { $typeName: 'resproxy.v1.HttpResponse', statusCode, headers, body, finalUrl },
    exit,
    attempts: [attempt],
    ...(timings ? { timings } : {}),
  };
}

// Connect, and REST beside it.
const serveConnect = connectNodeAdapter({
  routes: (router) =>
    router.rpc(
      JobService.method.runJob,
      ({ request }) =>
        new Promise<RunJobResponse>((resolve) => {
          if (request) open(request, (jobId, head) => resolve(toResponse(jobId, head)));
        }),
    ),
});

const http = createServer((request, response) => {
  if (!request.url?.startsWith('/jobs')) return serveConnect(request, response);
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => serveRest(pieces, response));
});

function serveRest(pieces: Buffer[], response: ServerResponse): void {
  const { url, method, headers } = JSON.parse(Buffer.concat(pieces).toString()) as {
    url: string;
    method: string;
    headers: Record<string, string>;
  };
  const list = Object.entries(headers).map(([name, value]) => ({
    $typeName: 'resproxy.v1.Header' as const,
    name,
    value,
  }));
  open({ method, url, headers: list, body: new Uint8Array() }, (jobId, head) => {
    const text = toJson(jobId, head);
    response
      .writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-request-id': jobId,
      })
      .end(text);
  });
}

/** The shape of the real answer, with its exit, its one attempt and its timings. */
function toJson(jobId: string, { statusCode, headers, body, finalUrl, timings }: OpenOk): string {
  const byName: Record<string, string> = {};
  for (const { name, value } of headers) byName[name.toLowerCase()] = value;
  const { exitId, agentId, country, region, city, asn } = exit;
  const { dnsUs, connectUs, tlsUs, firstByteUs, totalUs } = timings ?? noTimings;
  return JSON.stringify({
    message: 'Job completed successfully.',
    jobId,
    requestId: jobId,
    result: {
      statusCode,
      headers: byName,
      headerList: headers.map(({ name, value }) => [name, value]),
      body: Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('base64'),
      isBase64Encoded: true,
      finalUrl,
    },
    exit: { exitId, agentId, country, region, city, asn },
    attempts: [{ exitId, execution: 'DONE', durationMs: 1.234 }],
    timings: { dnsUs, connectUs, tlsUs, firstByteUs, totalUs },
  });
}

/** Listens; jobs go out by `sendFrame`. Returns the ports by the names of the doors. */
export async function startDoors(sendFrame: (frame: Uint8Array) => void): Promise<{ grpc: number; http: number }> {
  send = sendFrame;
  const grpcPort = await new Promise<number>((resolve, reject) => {
    grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
      error ? reject(error) : resolve(port),
    );
  });
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { grpc: grpcPort, http: (http.address() as AddressInfo).port };
}

export function listening(door: string, port: number): void {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', door, port })}\n`);
}
