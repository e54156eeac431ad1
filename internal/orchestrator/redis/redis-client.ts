// Commands to Redis for the rooms of this pod. A client is up or down; a command while it is down fails at once, and one
// that gets no answer fails within its bound. Nothing is sent twice, and the client never gives up.

import { fullJitterMs } from '../../kit/backoff.ts';
import type { CancelTimer, Clock, Random } from '../../kit/clock.ts';
import type { Logger } from '../../kit/log.ts';
import type { Connection, ConnectionEvents, NodeReply, RedisArgument, ReplyForm } from './connection.ts';
import { asRedisError, faultOf, isNoScript, RedisError, type RedisErrorCode } from './redis-error.ts';
import { redisLimits } from './redis-limits.ts';
import type { RedisScript } from './redis-script.ts';

export type RedisStatus = 'up' | 'down';

/** What the other rooms see of Redis. Every rejection is a RedisError. */
export interface RedisCommands {
  readonly status: RedisStatus;
  /** Hears each change; returns what ends that. */
  onStatus(listener: (status: RedisStatus) => void): () => void;
  /** All keys carry one hash tag. Texts come as strings unless `bytes` asks for Buffers. */
  run(script: RedisScript, keys: readonly string[], args: readonly RedisArgument[], form?: ReplyForm): Promise<unknown>;
  /** A single command, such as XREAD. */
  call(command: string, args: readonly RedisArgument[], form?: ReplyForm): Promise<unknown>;
}

/** Hears of every command; its methods cost next to nothing. `kind` is a script's name or a command in lower case. */
export interface RedisObserver {
  command(kind: string, outcome: 'OK' | RedisErrorCode, ms: number): void;
  reconnected(): void;
}

export interface RedisClientOptions {
  readonly name: string;
  readonly open: (events: ConnectionEvents) => Connection;
  /** Cut from every sentence. */
  readonly secrets: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly observer: RedisObserver;
}

type State =
  | { readonly type: 'idle' }
  /** `told`: the log says so already; `again`: it was up before. */
  | { readonly type: 'down'; readonly since: number; readonly told: boolean; readonly again: boolean }
  | { readonly type: 'up' }
  | { readonly type: 'closed' };

export class RedisClient implements RedisCommands {
  readonly #options: RedisClientOptions;
  readonly #connection: Connection;
  readonly #listeners = new Set<(status: RedisStatus) => void>();
  readonly #ended = Promise.withResolvers<void>();
  #state: State = { type: 'idle' };
  #fault = 'it did not answer yet';
  #restarts = 0;
  #cancelRestart: CancelTimer | undefined;

  constructor(options: RedisClientOptions) {
    this.#options = options;
    this.#connection = options.open({
      ready: () => this.#onReady(),
      lost: () => this.#onLost(),
      ended: () => this.#onEnded(),
      fault: (error) => this.#onFault(error),
    });
  }

  start(): void {
    if (this.#state.type !== 'idle') return;
    this.#state = { type: 'down', since: this.#options.clock.now(), told: false, again: false };
    this.#connection.connect();
  }

  get status(): RedisStatus {
    return this.#state.type === 'up' ? 'up' : 'down';
  }

  /** Why it is down, in words for people; undefined while it is up. */
  get fault(): string | undefined {
    return this.#state.type === 'up' ? undefined : this.#fault;
  }

  /** For health: known to be no reason to send work elsewhere, and without an address, since anybody may read it. */
  readonly note = (): string | undefined =>
    this.#state.type === 'up' ? undefined : 'Redis does not answer; this pod goes on without it';

  onStatus(listener: (status: RedisStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves as soon as it is up, and after `ms` in any case. */
  upWithin(ms: number): Promise<void> {
    if (this.status === 'up') return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.#options.clock.after(ms, resolve);
    const stopListening = this.onStatus(() => resolve());
    return promise.finally(() => {
      cancel();
      stopListening();
    });
  }

  run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly RedisArgument[],
    form: ReplyForm = 'text',
  ): Promise<unknown> {
    if (script.keys !== undefined && keys.length !== script.keys)
      throw new Error(`the script ${script.name} takes ${script.keys} keys`);
    const rest = [keys.length, ...keys, ...args];
    return this.#measured(script.name, async () => {
      try {
        return await this.#send('evalsha', [script.sha, ...rest], form);
      } catch (error) {
        if (!isNoScript(error)) throw error;
      }
      return this.#send('eval', [script.lua, ...rest], form);
    });
  }

  call(command: string, args: readonly RedisArgument[], form: ReplyForm = 'text'): Promise<unknown> {
    return this.#measured(command.toLowerCase(), () => this.#send(command, args, form));
  }

  /** Asks the server, or each master of a Cluster. */
  askEach(command: string, args: readonly RedisArgument[]): Promise<readonly NodeReply[]> {
    return this.#measured(command.toLowerCase(), () => this.#guarded(() => this.#connection.sendToEach(command, args)));
  }

  /** What is under way is rejected. Resolves when the connection is closed, or soon after if it does not close. */
  async close(): Promise<void> {
    const wasUp = this.#state.type === 'up';
    if (this.#state.type === 'closed') return;
    this.#state = { type: 'closed' };
    this.#fault = 'this client is closed';
    this.#cancelRestart?.();
    this.#connection.disconnect();
    if (!wasUp) return;
    const cancelBound = this.#options.clock.after(redisLimits.closeBoundMs, this.#ended.resolve);
    this.#tell('down');
    await this.#ended.promise;
    cancelBound();
  }

  #onReady(): void {
    const state = this.#state;
    if (state.type !== 'down') return;
    this.#state = { type: 'up' };
    this.#fault = 'Redis closed the connection';
    this.#restarts = 0;
    const { log, name, observer, clock } = this.#options;
    if (state.again) observer.reconnected();
    if (state.told) log.info({ client: name, downMs: Math.round(clock.now() - state.since) }, 'Redis answers again');
    this.#tell('up');
  }

  #onLost(): void {
    if (this.#state.type !== 'up') return;
    const { log, name, clock } = this.#options;
    this.#state = { type: 'down', since: clock.now(), told: true, again: true };
    log.warn({ client: name, fault: this.#fault }, 'the connection to Redis was lost; this pod goes on without it');
    this.#tell('down');
  }

  /** ioredis gives up in a few corners (a name that does not resolve, a failed TLS set-up); this client does not. */
  #onEnded(): void {
    if (this.#state.type === 'closed') {
      this.#ended.resolve();
      return;
    }
    this.#onLost();
    const { clock, random } = this.#options;
    const delayMs = fullJitterMs(this.#restarts++, redisLimits.reconnectBaseMs, redisLimits.reconnectMaxMs, random);
    this.#cancelRestart = clock.after(delayMs, () => this.#connection.connect());
  }

  #onFault(error: unknown): void {
    const { log, name, secrets } = this.#options;
    if (this.#state.type === 'closed') return;
    this.#fault = faultOf(error, secrets);
    if (this.#state.type !== 'down' || this.#state.told) return;
    this.#state = { ...this.#state, told: true };
    log.warn({ client: name, fault: this.#fault }, 'Redis cannot be reached; this pod goes on without it');
  }

  #tell(status: RedisStatus): void {
    for (const listener of this.#listeners) listener(status);
  }

  #send(command: string, args: readonly RedisArgument[], form: ReplyForm): Promise<unknown> {
    return this.#guarded(() => this.#connection.send(command, args, form));
  }

  async #guarded<T>(send: () => Promise<T>): Promise<T> {
    if (this.#state.type !== 'up') throw new RedisError('UNSENT', `Redis is down: ${this.#fault}`);
    try {
      return await send();
    } catch (error) {
      throw asRedisError(error, this.#options.secrets);
    }
  }

  async #measured<T>(kind: string, work: () => Promise<T>): Promise<T> {
    const { clock, observer } = this.#options;
    const started = clock.now();
    let outcome: 'OK' | RedisErrorCode = 'OK';
    try {
      return await work();
    } catch (error) {
      outcome = error instanceof RedisError ? error.code : 'UNKNOWN';
      throw error;
    } finally {
      observer.command(kind, outcome, clock.now() - started);
    }
  }
}
