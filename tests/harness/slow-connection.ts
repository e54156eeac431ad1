// A connection that takes its time: says what it has to say all at once or byte by byte, and then nothing. It notes
// when the other end has had enough.
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface SlowHabit {
  readonly name: string;
  readonly says: Uint8Array | string;
  /** A byte each second instead of all at once. */
  readonly bytewise?: boolean;
  /** With it, it is no stranger any more. */
  readonly showsKey?: boolean;
  /** Says it after a handshake, with this protocol by ALPN. */
  readonly after?: 'h2' | 'http/1.1';
}

export class SlowConnection {
  readonly habit: SlowHabit;
  /** Milliseconds from connecting to the end, once it has come; undefined when it could not even connect. */
  readonly ended: Promise<number | undefined>;
  readonly #socket: Socket;
  #timer: NodeJS.Timeout | undefined;

  constructor(port: number, habit: SlowHabit) {
    this.habit = habit;
    const tcp = connect(port, '127.0.0.1');
    this.#socket = habit.after === undefined ? tcp : secured(tcp, habit.after);
    let begin: number | undefined;
    tcp.on('error', () => {});
    this.#socket.on('error', () => {});
    this.#socket.resume();
    tcp.once('connect', () => {
      begin = performance.now();
    });
    this.#socket.once(habit.after === undefined ? 'connect' : 'secureConnect', () => this.#speak());
    this.ended = new Promise((resolve) => {
      this.#socket.once('close', () => {
        clearInterval(this.#timer);
        resolve(begin === undefined ? undefined : performance.now() - begin);
      });
    });
  }

  async close(): Promise<void> {
    this.#socket.destroy();
    await this.ended;
  }

  #speak(): void {
    const bytes = Buffer.from(this.habit.says);
    if (this.habit.bytewise !== true) return void this.#socket.write(bytes);
    let at = 0;
    this.#timer = setInterval(() => {
      if (at < bytes.length) this.#socket.write(bytes.subarray(at, ++at));
    }, 1_000);
  }
}

function secured(socket: Socket, protocol: string): Socket {
  return connectTls({ socket, rejectUnauthorized: false, ALPNProtocols: [protocol] });
}
