// Anybody could end the process: a call that grpc-js refuses by itself, and broken HTTP/2 behind it in one write. The
// connection was over before the refusal was written, and the write threw. Found by tests/fuzz, seed 1.
import { once } from 'node:events';
import { connect } from 'node:net';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from '@jest/globals';
import { GrpcCaller, openDoors } from '../fixture.ts';
import { onlyLiveStreams } from './live-streams.ts';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** RFC 7541 6.2.2, without Huffman. */
function literal(name: string, value: string): Buffer {
  return Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)]);
}

/** The call, and a frame larger than was agreed, which ends the connection. */
function callAndFault(path: string, contentType: string): Buffer {
  const headers = [literal(':method', 'POST'), literal(':scheme', 'http'), literal(':authority', 'a')];
  const block = Buffer.concat([...headers, literal(':path', path), literal('content-type', contentType)]);
  const fault = frame(7, 0, 0, Buffer.alloc(20_000));
  return Buffer.concat([preface, frame(4, 0, 0, Buffer.alloc(0)), frame(1, 4, 1, block), fault]);
}

test.each([
  ['a content type that is not of gRPC', '/resproxy.v1.JobService/RunJob', 'text/plain'],
  ['a method that does not exist', '/resproxy.v1.JobService/Nothing', 'application/grpc'],
])(
  'a call with %s and a broken frame behind it ends its connection and nothing else',
  async (_what, path, contentType) => {
    const doors = await openDoors();
    cleanups.push(() => doors.close());
    const socket = connect(doors.grpcPort, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    socket.resume().write(callAndFault(path, contentType));
    await once(socket, 'close');
    const caller = new GrpcCaller(doors.grpcPort);
    cleanups.push(() => caller.close());
    const { response } = await caller.runJob({ request: { url: 'http://example.com/' } });
    expect(response?.statusCode).toBe(200);
  },
);

test('a grpc-js that is built otherwise is noticed at the start, and not by whoever breaks in', () => {
  const server = new Server();
  expect(() => onlyLiveStreams(server)).toThrow('HTTP/2 servers');
  server.createConnectionInjector(ServerCredentials.createInsecure());
  expect(() => onlyLiveStreams(server)).not.toThrow();
  server.forceShutdown();
});
