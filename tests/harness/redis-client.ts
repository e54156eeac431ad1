// A client of the orchestrator's own making, with all that it said and counted. Stands in for a pod where only its way
// with Redis matters.
import { pino } from 'pino';
import { systemClock } from '../../internal/kit/clock.ts';
import type { ClientKind } from '../../internal/orchestrator/redis/connection-options.ts';
import type { RedisClient } from '../../internal/orchestrator/redis/redis-client.ts';
import { redisClients } from '../../internal/orchestrator/redis/redis-clients.ts';
import { RedisError } from '../../internal/orchestrator/redis/redis-error.ts';
import { parseRedisUrl } from '../../internal/orchestrator/redis/redis-url.ts';
import { until } from './waiting.ts';

/** How commands went: every one is in exactly one of these. */
export interface Tally {
  OK: number;
  UNSENT: number;
  UNKNOWN: number;
  REFUSED: number;
  /** The slowest of all. */
  slowestMs: number;
}

export class TestClient {
  readonly redis: RedisClient;
  readonly logged: string[] = [];
  readonly log = pino({ level: 'info' }, { write: (line: string) => void this.logged.push(line) });
  reconnects = 0;

  constructor(url: string, kind: ClientKind = 'request') {
    const client = redisClients({
      url: parseRedisUrl(url),
      clock: systemClock,
      random: Math.random,
      log: this.log,
      observer: { command: () => {}, reconnected: () => void this.reconnects++ },
    });
    this.redis = client(kind);
    this.redis.start();
  }

  static async up(url: string, kind: ClientKind = 'request'): Promise<TestClient> {
    const client = new TestClient(url, kind);
    await client.isUp();
    return client;
  }

  async isUp(): Promise<void> {
    await until('the client is up', () => this.redis.status === 'up');
  }

  async isDown(): Promise<void> {
    await until('the client is down', () => this.redis.status === 'down');
  }

  close(): Promise<void> {
    return this.redis.close();
  }
}

/** Runs the commands that `next` starts, one after the other, until `stop`; what they became is counted. */
export class Load {
  readonly tally: Tally = { OK: 0, UNSENT: 0, UNKNOWN: 0, REFUSED: 0, slowestMs: 0 };
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(next: () => Promise<unknown>) {
    this.#running = this.#run(next);
  }

  /** Resolves when so many more commands succeeded. */
  async succeeds(count: number): Promise<void> {
    const goal = this.tally.OK + count;
    await until(`${count} more commands succeed`, () => this.tally.OK >= goal);
  }

  async stop(): Promise<Tally> {
    this.#stopped = true;
    await this.#running;
    return this.tally;
  }

  async close(): Promise<void> {
    await this.stop();
  }

  async #run(next: () => Promise<unknown>): Promise<void> {
    while (!this.#stopped) {
      const started = performance.now();
      this.tally[await outcomeOf(next())]++;
      this.tally.slowestMs = Math.max(this.tally.slowestMs, performance.now() - started);
      // A refusal without I/O must not keep the loop from everything else.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
}

export async function outcomeOf(command: Promise<unknown>): Promise<'OK' | RedisError['code']> {
  try {
    await command;
    return 'OK';
  } catch (error) {
    if (error instanceof RedisError) return error.code;
    throw error;
  }
}
