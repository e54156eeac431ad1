// One job by gRPC, with the generated messages: `node docs/examples/run-job.ts` while `npm start` runs.
import { readFileSync } from 'node:fs';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import { RunJobRequestSchema, type RunJobResponse, RunJobResponseSchema } from '../../gen/resproxy/v1/job_pb.ts';

const client = new Client('127.0.0.1:9090', credentials.createInsecure());
const metadata = new Metadata();
metadata.set('authorization', `Bearer ${readFileSync('.resproxy/dev-token', 'utf8').trim()}`);

const { response, exit } = await runJob('http://127.0.0.1:8081/echo');
console.log(response?.statusCode, exit?.exitId, new TextDecoder().decode(response?.body));
client.close();

function runJob(url: string): Promise<RunJobResponse> {
  const request = create(RunJobRequestSchema, { request: { url } });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      '/resproxy.v1.JobService/RunJob',
      (message) => Buffer.from(toBinary(RunJobRequestSchema, message)),
      (bytes) => fromBinary(RunJobResponseSchema, bytes),
      request,
      metadata,
      { deadline: Date.now() + 10_000 },
      (error, answer) => (answer ? resolve(answer) : reject(error ?? new Error('no answer'))),
    );
  });
}
