// Writes the corpus: `node tests/fuzz/record.ts`, after a change of the protocol. One file for each kind of message
// that an honest agent, pod or caller sends.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, type DescMessage, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { ExitKind, ExitState, ListAgentsRequestSchema } from '../../gen/resproxy/v1/agent_pb.ts';
import { FailureCode } from '../../gen/resproxy/v1/failure_pb.ts';
import { RunJobRequestSchema, StreamJobRequestSchema } from '../../gen/resproxy/v1/job_pb.ts';
import { encodeFrame, type FrameBodyInit } from '../../internal/wire/codec.ts';
import { corpusDir, type Kind, portMarker, tokenMarker } from './corpus.ts';
import { grpcRequest } from './http2-bytes.ts';

const url = `http://127.0.0.1:${portMarker}/echo`;
const headers = [
  { name: 'Accept', value: 'text/html' },
  { name: 'X-Two', value: '2' },
];
const exits = {
  generation: 2n,
  exits: [
    {
      name: 'direct',
      kind: ExitKind.DIRECT,
      state: ExitState.AVAILABLE,
      capacity: 8,
      labels: { country: 'DE', tier: 'gold' },
    },
  ],
};
const load = { streams: 1, bufferedBytes: 4096n, loopLagMs: 3 };
const body = Buffer.from('a body of some bytes');
const timings = { totalUs: 5000 };

const shared: FrameBodyInit[] = [
  { case: 'data', value: { bytes: body } },
  { case: 'data', value: { end: true } },
  { case: 'credit', value: { bytes: 65_536 } },
  { case: 'reset', value: { code: 1 } },
  { case: 'ping', value: { nonce: 7, load } },
  { case: 'pong', value: { nonce: 7, load } },
  { case: 'drain', value: { graceMs: 1000, spreadMs: 1000 } },
  { case: 'drainAck', value: {} },
  { case: 'goAway', value: {} },
];
/** What pods say to each other: an agent that says it lies. */
const peerWindows = { streamWindow: 262_144, connectionWindow: 8_388_608, maxStreams: 1024 };
const amongPods: FrameBodyInit[] = [
  { case: 'peerHello', value: { podId: 'pod-b', version: '1.2.3', protocolMin: 1, protocolMax: 1, ...peerWindows } },
  { case: 'agentOrder', value: { orderId: 1, agentId: 'home-1/default', kind: 2 } },
  { case: 'agentOrderDone', value: { orderId: 1, connections: 1 } },
];
const fromAgent: FrameBodyInit[] = [
  ...shared,
  {
    case: 'hello',
    value: {
      agentName: 'fuzz',
      instanceId: 'instance-of-the-corpus',
      connectSeq: 1n,
      protocolMin: 1,
      protocolMax: 1,
      features: ['a-feature'],
      version: '1.2.3',
      platform: 'linux',
      streamWindow: 262_144,
      connectionWindow: 262_144,
      exits,
    },
  },
  { case: 'exits', value: { exits } },
  { case: 'openOk', value: { statusCode: 200, headers, finalUrl: url, timings, body, end: true } },
  { case: 'openOk', value: { statusCode: 200, headers, finalUrl: url } },
  { case: 'openErr', value: { code: FailureCode.CONNECT_REFUSED, execution: 1 } },
  { case: 'reset', value: { code: 3, failure: FailureCode.CONNECT_REFUSED } },
  ...amongPods,
];
const http = { method: 'GET', url, headers, maxRedirects: 3, decompress: true, maxResponseBytes: 1_048_576n };
const open = { exit: 'direct', deadlineMs: 2000, jobId: 'job-1', attempt: 1, idempotent: true, window: 262_144 };
const isolationKey = Buffer.from('0123456789abcdef');
const fromPod: FrameBodyInit[] = [
  ...shared,
  { case: 'open', value: { ...open, kind: { case: 'http', value: http }, isolationKey, end: true } },
  {
    case: 'open',
    value: { ...open, kind: { case: 'http', value: { ...http, method: 'POST' } }, body, bodyBytes: 40 },
  },
  { case: 'welcome', value: { connectionId: 'c-1', epoch: 7n, podId: 'pod-1', protocol: 1, maxStreams: 64 } },
];

const jobOf = { request: { url, method: 'POST', headers, body }, timeout: { seconds: 2n } };
const target = { country: 'DE', labels: { tier: 'gold' } };
const retry = { maxAttempts: 2, initialBackoff: { nanos: 1_000_000 }, idempotent: true };
const service = (name: string) => `/resproxy.v1.${name}`;

function call<S extends DescMessage>(path: string, schema: S, message: MessageInitShape<S>): Buffer {
  const bytes = toBinary(schema, create(schema, message));
  return grpcRequest({ streamId: 1, path, authorization: `Bearer ${tokenMarker}`, message: bytes });
}

const grpc: Record<string, Buffer> = {
  'run-job': call(service('JobService/RunJob'), RunJobRequestSchema, jobOf),
  'run-job-target': call(service('JobService/RunJob'), RunJobRequestSchema, { ...jobOf, target, retry }),
  'stream-job': call(service('JobService/StreamJob'), StreamJobRequestSchema, jobOf),
  'list-agents': call(service('AgentService/ListAgents'), ListAgentsRequestSchema, { pageSize: 3, country: 'DE' }),
  'no-token': grpcRequest({ streamId: 1, path: service('JobService/RunJob'), message: Buffer.alloc(0) }),
  health: grpcRequest({ streamId: 1, path: '/grpc.health.v1.Health/Check', message: Buffer.alloc(0) }),
  reflection: grpcRequest({
    streamId: 1,
    path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    authorization: `Bearer ${tokenMarker}`,
    message: Buffer.from([0x3a, 0x00]),
  }),
};

const authorization = `Authorization: Bearer ${tokenMarker}`;
const posted = (json: string, ...more: string[]) =>
  `${['POST /jobs?sync=true HTTP/1.1', 'Host: 127.0.0.1', authorization, 'Content-Type: application/json', `Content-Length: ${json.length}`, ...more].join('\r\n')}\r\n\r\n${json}`;
const restJob = JSON.stringify({ url, headers: { accept: 'text/html' }, timeoutMs: 2000 });
const restPost = JSON.stringify({
  url,
  method: 'POST',
  headers: [['X-A', 'b']],
  body: 'aGk=',
  bodyEncoding: 'base64',
  target: { country: 'DE', labels: { tier: 'gold' } },
  timeoutMs: 2000,
});
const rest: Record<string, string> = {
  job: posted(restJob),
  post: posted(restPost),
  expects: posted(restJob, 'Expect: 100-continue'),
  chunked: `POST /jobs?sync=true HTTP/1.1\r\nHost: 127.0.0.1\r\n${authorization}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${restJob.length.toString(16)}\r\n${restJob}\r\n0\r\n\r\n`,
  agents: `GET /agents?limit=2&sortBy=agentId HTTP/1.1\r\nHost: 127.0.0.1\r\n${authorization}\r\n\r\n`,
  health: 'GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
  upgrade: `GET /jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${authorization}\r\n\r\n`,
};

function writeAll(kind: Kind, messages: Readonly<Record<string, Uint8Array | string>>): void {
  const dir = join(corpusDir, kind);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const [name, message] of Object.entries(messages)) {
    if (typeof message === 'string') writeFileSync(join(dir, `${name}.http`), message);
    else
      writeFileSync(
        join(dir, `${name}.hex`),
        `${Buffer.from(message)
          .toString('hex')
          .replace(/.{1,100}/g, '$&\n')}`,
      );
  }
}

/** Frames of the connection have stream 0, all others stream 1. */
function frames(bodies: readonly FrameBodyInit[]): Record<string, Uint8Array> {
  const ofStream = new Set(['data', 'credit', 'reset', 'open', 'openOk', 'openErr']);
  const named = bodies.map((each, i) => {
    const name = `${String(i).padStart(2, '0')}-${String(each.case)}`;
    return [name, encodeFrame(ofStream.has(String(each.case)) ? 1 : 0, each)] as const;
  });
  return Object.fromEntries(named);
}

writeAll('agent-frames', frames(fromAgent));
writeAll('pod-frames', frames(fromPod));
writeAll('grpc', grpc);
writeAll('http', rest);
