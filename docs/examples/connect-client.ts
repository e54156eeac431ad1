// One job by Connect, with the client that the generated service gives: `node docs/examples/connect-client.ts` while
// `npm start` runs.
import { readFileSync } from 'node:fs';
import { createClient } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { JobService } from '../../gen/resproxy/v1/job_pb.ts';

const { RESPROXY_REST = 'http://127.0.0.1:8080', RESPROXY_TOKEN, ORIGIN = 'http://127.0.0.1:8081/echo' } = process.env;
const token = RESPROXY_TOKEN ?? readFileSync('.resproxy/dev-token', 'utf8').trim();
const jobs = createClient(JobService, createConnectTransport({ baseUrl: RESPROXY_REST, httpVersion: '1.1' }));

const headers = { authorization: `Bearer ${token}` };
const { response, exit } = await jobs.runJob({ request: { url: ORIGIN } }, { headers, timeoutMs: 10_000 });
console.error('status', response?.statusCode, 'exit', exit?.exitId);
process.stdout.write(response?.body ?? '');
