// The floor of a pod: the least code that takes RunJob over gRPC and REST, sends one Frame over ws to the floor's agent
// and answers with what comes back. No auth, no choice, no retry, no limits. What the orchestrator costs above this is
// the price of what it promises.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Frame, FrameSchema, type OpenOk } from '../../gen/resproxy/v1/channel_pb.ts';
import type { HttpRequest } from '../../gen/resproxy/v1/http_pb.ts';
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
const waiting = new Map<number, { readonly jobId: string; readonly answered: Answered }>();
let agent: WebSocket | undefined;
let lastStream = 0;

function open(request: Pick<HttpRequest, 'method' | 'url' | 'headers' | 'body'>, answered: Answered): void {
  const streamId = ++lastStream;
  const jobId = `job-${streamId}`;
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
  agent?.send(toBinary(FrameSchema, frame));
}

function onFrame(bytes: Uint8Array): void {
  const { streamId, body } = fromBinary(FrameSchema, bytes);
  const job = waiting.get(streamId);
  waiting.delete(streamId);
  if (job && body.case === 'openOk') job.answered(job.jobId, body.value);
}

// The agent's listener.
const agents = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
agents.on('connection', (socket) => {
  agent = socket;
  socket.on('message', (bytes: Buffer) => onFrame(bytes));
});

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

// The REST door.
const rest = createServer((request, response) => {
  const pieces: Buffer[] = [];
  request.on('data', (piece: Buffer) => pieces.push(piece));
  request.on('end', () => serveRest(pieces, request, response));
});

function serveRest(pieces: Buffer[], _request: IncomingMessage, response: ServerResponse): void {
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
    const text = Buffer.from(toJson(jobId, head));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text);
  });
}

function toJson(jobId: string, head: OpenOk): string {
  const headerList = head.headers.map(({ name, value }) => [name, value] as const);
  const headers = Object.fromEntries(headerList.map(([name, value]) => [name.toLowerCase(), value]));
  const body = Buffer.from(head.body).toString('base64');
  const result = { statusCode: head.statusCode, headers, headerList, body, isBase64Encoded: true };
  return JSON.stringify({ message: 'Job completed successfully.', jobId, requestId: jobId, result });
}

const grpcPort = await new Promise<number>((resolve, reject) => {
  grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  );
});
await new Promise<void>((resolve) => rest.listen(0, '127.0.0.1', resolve));
for (const [door, port] of [
  ['grpc', grpcPort],
  ['http', (rest.address() as AddressInfo).port],
  ['agent', (agents.address() as AddressInfo).port],
]) {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', door, port })}\n`);
}
