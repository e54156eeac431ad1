// One try at a connection: DNS, TCP, TLS and the WebSocket upgrade under one deadline. The key travels in a header of
// the upgrade, and an upgrade that is refused says why in a small JSON body.
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import { limits } from '../../wire/limits.ts';
import { subprotocol } from '../../wire/names.ts';
import type { FrameTransport } from '../../wire/transport.ts';
import { WebSocketTransport, webSocketOptions } from '../../wire/websocket-transport.ts';
import { dialFailureWords } from './dial-failure.ts';
import type { Ending } from './ending.ts';
import { readRefusal } from './refusal.ts';

export interface DialTarget {
  readonly url: string;
  readonly key: string;
  readonly version: string;
}

export type DialResult =
  | { readonly kind: 'open'; readonly transport: FrameTransport }
  | { readonly kind: 'failed'; readonly ending: Ending };

/** Calls `onResult` once, later; never after the returned function was called. */
export function dial(target: DialTarget, clock: Clock, onResult: (result: DialResult) => void): CancelTimer {
  let settled = false;
  let socket: Socket | undefined;
  const ws = new WebSocket(target.url, subprotocol, {
    ...webSocketOptions,
    headers: { authorization: `Bearer ${target.key}`, 'user-agent': `resproxy-agent/${target.version}` },
    followRedirects: false,
    rejectUnauthorized: true,
  });

  const settle = (): boolean => {
    if (settled) return false;
    settled = true;
    cancelDeadline();
    return true;
  };
  const fail = (ending: Ending) => {
    if (!settle()) return;
    ws.terminate();
    onResult({ kind: 'failed', ending });
  };
  const cancelDeadline = clock.after(limits.dialTimeoutMs, () => {
    fail({ kind: 'unreachable', why: `no answer within ${limits.dialTimeoutMs / 1000} s` });
  });

  // Stays for good: giving up a try makes ws report one more error.
  ws.on('error', (error) => fail({ kind: 'unreachable', why: dialFailureWords(error) }));
  ws.once('unexpected-response', (_request, response) => void readRefusal(response, clock).then(fail));
  ws.once('upgrade', (response: IncomingMessage) => {
    socket = response.socket;
  });
  ws.once('open', () => {
    if (!socket || !settle()) return;
    onResult({ kind: 'open', transport: new WebSocketTransport(ws, socket, clock) });
  });
  return () => {
    if (settle()) ws.terminate();
  };
}
