// A Redis for tests that answers as it is told and remembers what it was asked. What the scripts do is tested on a real
// one.
import type { RedisArgument } from '../redis/connection.ts';
import type { RedisCommands } from '../redis/redis-client.ts';
import type { RedisScript } from '../redis/redis-script.ts';

type Answer = (keys: readonly string[], args: readonly RedisArgument[]) => unknown;

/** The value without the number. */
export type FakeChange = readonly [change: number, kind: string, seat: string, id: string, value: string];

export class FakeRedis implements Pick<RedisCommands, 'run' | 'call'> {
  readonly asked: { readonly name: string; readonly args: readonly RedisArgument[] }[] = [];
  readonly answers = new Map<string, Answer>();
  /** Every command fails while it is away. */
  away = false;
  readonly #reads: PromiseWithResolvers<unknown>[] = [];

  on(name: string, answer: Answer): void {
    this.answers.set(name, answer);
  }

  /** The arguments of each run of a script. */
  argsOf(name: string): (readonly RedisArgument[])[] {
    return this.asked.filter((asked) => asked.name === name).map(({ args }) => args);
  }

  async run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[]): Promise<unknown> {
    this.asked.push({ name: script.name, args });
    if (this.away) throw new Error('Redis is away');
    return this.answers.get(script.name)?.(keys, args);
  }

  /** A read of the stream, which waits for `changes`. */
  call(name: string, args: readonly RedisArgument[]): Promise<unknown> {
    this.asked.push({ name, args });
    if (this.away) return Promise.reject(new Error('Redis is away'));
    const read = Promise.withResolvers<unknown>();
    this.#reads.push(read);
    return read.promise;
  }

  /** Answers the oldest read that waits. */
  changes(...changes: readonly FakeChange[]): void {
    const entries = changes.map(([change, kind, seat, id, value]) => [
      `${change}-0`,
      ['seat', seat, 'kind', kind, 'id', id, 'value', `${change} ${value}`],
    ]);
    this.#reads.shift()?.resolve(entries.length === 0 ? null : [['changes', entries]]);
  }
}
