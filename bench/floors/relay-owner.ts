// The floor of a pod that holds the agent: what comes over the hop is decoded and goes to the agent, and back. An owner
// has to look at what it passes on, so both ways cost a decode and an encode.
import { once } from 'node:events';
import { createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FrameSchema } from '../../gen/resproxy/v1/channel_pb.ts';
import { selfSigned } from '../../internal/kit/self-signed.ts';
import { listening } from './doors.ts';
import { onFrames, sendFrame } from './hop.ts';
import { startAgentPort } from './one-agent.ts';

let hop: ServerHttp2Stream | undefined;
const passedOn = (frame: Uint8Array) => toBinary(FrameSchema, fromBinary(FrameSchema, frame));
const agent = await startAgentPort((frame) => hop && sendFrame(hop, passedOn(frame)));
const server = createSecureServer(selfSigned('floor'));
server.on('stream', (stream) => {
  hop = stream;
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  onFrames(stream, (frame) => agent.send(passedOn(frame)));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
listening('agent', agent.port);
listening('peer', (server.address() as AddressInfo).port);
