// Whether a caller that keeps its connection is still there: a PING every half minute, and an end when no answer comes.
// grpc-js would do it, but Node fails every PING of a session that has said GOAWAY, and grpc-js then breaks off the calls
// that the drain waits for. So a connection that drains is not asked: its calls end it, or the grace.
import type { ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { type TimerWheel, WheelTimer } from '../../../kit/timer-wheel.ts';
import { http2ServersOf } from './live-streams.ts';

export interface KeepAliveOptions {
  readonly wheel: TimerWheel;
  readonly pingMs: number;
  /** Silence after a PING that ends the connection. */
  readonly deadMs: number;
}

/** After an injector was made. */
export function keepAlive(server: Server, options: KeepAliveOptions): void {
  for (const http2Server of http2ServersOf(server)) {
    http2Server.on('session', (session: ServerHttp2Session) => ask(session, options));
  }
}

function ask(session: ServerHttp2Session, { wheel, pingMs, deadMs }: KeepAliveOptions): void {
  const dead = new WheelTimer(() => session.destroy());
  const due = new WheelTimer(() => {
    if (session.closed || session.destroyed) return;
    wheel.set(dead, deadMs);
    session.ping((error) => {
      wheel.cancel(dead);
      if (!error) wheel.set(due, pingMs);
    });
  });
  wheel.set(due, pingMs);
  session.once('close', () => {
    wheel.cancel(due);
    wheel.cancel(dead);
  });
}
