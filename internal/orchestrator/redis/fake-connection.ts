// A connection to nowhere for the tests of this room: they say what it answers and what happens to it.
import { pino } from 'pino';
import type { Clock } from '../../kit/clock.ts';
import type { Connection, ConnectionEvents, NodeReply, RedisArgument } from './connection.ts';
import { RedisClient } from './redis-client.ts';

type Answer = (command: string, args: readonly RedisArgument[]) => unknown;

export class FakeConnection implements Connection {
  readonly sent: (readonly [string, ...RedisArgument[]])[] = [];
  connects = 0;
  disconnects = 0;
  /** What it throws is the rejection. */
  answer: Answer = () => 'OK';

  connect(): void {
    this.connects++;
  }

  async send(command: string, args: readonly RedisArgument[]): Promise<unknown> {
    this.sent.push([command, ...args]);
    return this.answer(command, args);
  }

  async sendToEach(command: string, args: readonly RedisArgument[]): Promise<readonly NodeReply[]> {
    return [{ node: 'redis:6379', reply: await this.send(command, args) }];
  }

  disconnect(): void {
    this.disconnects++;
  }
}

/** An error as Redis sends it. */
export function replyError(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError', command: { name: 'auth', args: ['hunter2'] } });
}

/** A client on such a connection, and all that was told of it. */
export function fakeClient(clock: Clock) {
  const connection = new FakeConnection();
  const events: ConnectionEvents[] = [];
  const told: string[] = [];
  const logged: string[] = [];
  const client = new RedisClient({
    name: 'request',
    open: (taken) => {
      events.push(taken);
      return connection;
    },
    secrets: ['hunter2'],
    clock,
    random: () => 0.5,
    log: pino({ level: 'info' }, { write: (line: string) => void logged.push(line) }),
    observer: {
      command: (kind, outcome) => told.push(`${kind} ${outcome}`),
      reconnected: () => told.push('reconnected'),
    },
  });
  const [event] = events;
  if (!event) throw new Error('the client opened no connection');
  return { client, connection, event, told, logged };
}
