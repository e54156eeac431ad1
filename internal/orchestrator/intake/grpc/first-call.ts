// Whoever speaks HTTP/2 and then says nothing would hold a connection until it counts as idle, ten minutes later. The
// first call has to come soon; a client that only connected in advance is told GOAWAY, and dials again when it has one.
import type { Server } from '@grpc/grpc-js';
import type { Clock } from '../../../kit/clock.ts';
import type { Doorway } from '../../../kit/doorway.ts';
import { http2ServersOf } from './live-streams.ts';

export interface FirstCallOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** Hears of the first call. */
  readonly doorway: Pick<Doorway, 'asked'>;
}

/** After an injector was made. */
export function expectFirstCall(server: Server, { clock, timeoutMs, doorway }: FirstCallOptions): void {
  for (const http2Server of http2ServersOf(server)) {
    http2Server.on('session', (session) => {
      const cancel = clock.after(timeoutMs, () => session.close());
      session.once('stream', () => {
        cancel();
        if (session.socket) doorway.asked(session.socket);
      });
      session.once('close', cancel);
    });
  }
}
