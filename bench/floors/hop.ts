// Frames over an HTTP/2 stream as gRPC frames its messages: a flag, four bytes of length, the bytes.
import type { Duplex } from 'node:stream';

const prefixBytes = 5;
export const path = '/resproxy.v1.PeerService/Link';

export function sendFrame(stream: Duplex, frame: Uint8Array): void {
  const message = Buffer.allocUnsafe(prefixBytes + frame.length);
  message[0] = 0;
  message.writeUInt32BE(frame.length, 1);
  message.set(frame, prefixBytes);
  stream.write(message);
}

export function onFrames(stream: Duplex, take: (frame: Uint8Array) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  stream.on('data', (piece: Buffer) => {
    let bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    while (bytes.length >= prefixBytes && bytes.length >= prefixBytes + bytes.readUInt32BE(1)) {
      const end = prefixBytes + bytes.readUInt32BE(1);
      take(bytes.subarray(prefixBytes, end));
      bytes = bytes.subarray(end);
    }
    rest = bytes;
  });
}
