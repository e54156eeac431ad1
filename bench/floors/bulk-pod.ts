// The floor of a pod that streams: StreamJob over grpc-js, one at a time, the URL to the floor's agent over ws, and every
// piece that comes back is one body event. The agent's socket pauses while the caller is slow.
import type { AddressInfo } from 'node:net';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  JobService,
  type StreamJobRequest,
  StreamJobRequestSchema,
  type StreamJobResponse,
  StreamJobResponseSchema,
} from '../../gen/resproxy/v1/job_pb.ts';

type Call = ServerWritableStream<StreamJobRequest, StreamJobResponse>;

let agent: WebSocket | undefined;
let call: Call | undefined;

const agents = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false });
agents.on('connection', (socket) => {
  agent = socket;
  socket.on('message', (bytes: Buffer) => onPiece(socket, bytes));
});

function onPiece(socket: WebSocket, bytes: Buffer): void {
  if (bytes.length === 0) {
    call?.end();
    // Nothing drains after the end.
    socket.resume();
    return;
  }
  const event: StreamJobResponse = {
    $typeName: 'resproxy.v1.StreamJobResponse',
    event: { case: 'body', value: bytes },
  };
  if (call?.write(event) === false) socket.pause();
}

const grpc = new Server();
grpc.addService(
  {
    streamJob: {
      path: `/${JobService.typeName}/StreamJob`,
      requestStream: false,
      responseStream: true,
      requestSerialize: (value) => Buffer.from(toBinary(StreamJobRequestSchema, value)),
      requestDeserialize: (bytes) => fromBinary(StreamJobRequestSchema, bytes),
      responseSerialize: (value) => Buffer.from(toBinary(StreamJobResponseSchema, value)),
      responseDeserialize: (bytes) => fromBinary(StreamJobResponseSchema, bytes),
    },
  },
  {
    streamJob: (next: Call) => {
      call = next;
      next.on('drain', () => agent?.resume());
      agent?.send(next.request.request?.url ?? '');
    },
  },
);

const grpcPort = await new Promise<number>((resolve, reject) => {
  grpc.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  );
});
for (const [door, port] of [
  ['grpc', grpcPort],
  ['agent', (agents.address() as AddressInfo).port],
]) {
  process.stdout.write(`${JSON.stringify({ msg: 'listening', door, port })}\n`);
}
