// An answer of any size, piece by piece, to standard output: `node docs/examples/stream-job.ts` while `npm start` runs.
// gRPC holds the sender back while this end does not read.
import { readFileSync } from 'node:fs';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import {
  StreamJobRequestSchema,
  type StreamJobResponse,
  StreamJobResponseSchema,
} from '../../gen/resproxy/v1/job_pb.ts';

const { RESPROXY_GRPC = '127.0.0.1:9090', RESPROXY_TOKEN, ORIGIN = 'http://127.0.0.1:8081/echo' } = process.env;
const token = RESPROXY_TOKEN ?? readFileSync('.resproxy/dev-token', 'utf8').trim();
const client = new Client(RESPROXY_GRPC, credentials.createInsecure());
const metadata = new Metadata();
metadata.set('authorization', `Bearer ${token}`);

const events: AsyncIterable<StreamJobResponse> = client.makeServerStreamRequest(
  '/resproxy.v1.JobService/StreamJob',
  (message) => Buffer.from(toBinary(StreamJobRequestSchema, message)),
  (bytes) => fromBinary(StreamJobResponseSchema, bytes),
  create(StreamJobRequestSchema, { request: { url: ORIGIN } }),
  metadata,
  { deadline: Date.now() + 60_000 },
);
for await (const { event } of events) {
  if (event.case === 'head') console.error('status', event.value.statusCode);
  else if (event.case === 'body') process.stdout.write(event.value);
  else if (event.case === 'summary') console.error('exit', event.value.exit?.exitId, 'bytes', event.value.bodyBytes);
}
client.close();
