// A connection of the gRPC port must begin as HTTP/2 does. The first bytes are looked at and put back.
import type { Socket } from 'node:net';

/** RFC 9113 3.4: the magic, then a SETTINGS frame (length, type 4). */
const magic = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const settingsType = 4;
const typeOffset = magic.length + 3;

/** Hands the socket on when it speaks HTTP/2; destroys it when it does not. */
export function awaitPreface(socket: Socket, onReady: (socket: Socket) => void): void {
  let head: Buffer = Buffer.alloc(0);
  const onReadable = () => {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
    if (!beginsLikeHttp2(head)) socket.destroy();
    else if (head.length > typeOffset) {
      socket.off('readable', onReadable);
      socket.unshift(head);
      onReady(socket);
    }
  };
  socket.on('error', ignore);
  socket.on('readable', onReadable);
}

function beginsLikeHttp2(head: Buffer): boolean {
  const length = Math.min(head.length, magic.length);
  if (head.compare(magic, 0, length, 0, length) !== 0) return false;
  return head.length <= typeOffset || head[typeOffset] === settingsType;
}

/** A reset says no more than the close that follows it. */
function ignore(): void {}
