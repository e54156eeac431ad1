// Follows what happens in the fleet: one snapshot, then every change in its order. Changes are numbered, so that a gap
// is seen whatever made it (a trimmed stream, a failover, a flushed Redis), and everything is read again.
import { narrowJitterMs } from '../../kit/backoff.ts';
import { type Clock, type Random, sleep } from '../../kit/clock.ts';
import type { RedisCommands } from '../redis/redis-client.ts';
import type { Beat } from './lease.ts';
import type { RegistryKeys } from './redis-keys.ts';
import { scripts } from './redis-scripts.ts';
import { registryLimits } from './registry-limits.ts';
import type { RemoteFleet } from './remote-fleet.ts';
import type { ServerTime } from './server-time.ts';

export interface FollowerOptions {
  readonly redis: Pick<RedisCommands, 'run'>;
  /** A connection of its own, which waits most of the time and fails when nobody answers. */
  readonly stream: Pick<RedisCommands, 'call'>;
  readonly keys: RegistryKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly time: ServerTime;
  readonly remote: RemoteFleet;
  readonly beat: () => Promise<Beat>;
  /** From a change to its place in the view, in milliseconds. */
  readonly onLag: (ms: number) => void;
  readonly onFault: (error: unknown) => void;
}

interface Change {
  readonly id: string;
  readonly fields: Readonly<Record<string, string>>;
}

/** The last change that is in the view. */
interface Position {
  readonly change: number;
  readonly id: string;
}

export class Follower {
  readonly #options: FollowerOptions;
  readonly #stopping = new AbortController();
  #position: Position | undefined;
  #snapshots = 0;
  /** When the view was last known to be whole. */
  #wholeAt: number | undefined;
  /** Ends the read that waits. */
  #interrupt = Promise.withResolvers<null>();
  /** Where the view stood at the last beat, and whether that told of more. */
  #atBeat = { change: 0, behind: false };
  #done: Promise<void> = Promise.resolve();

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** How many snapshots there were; the view can be used from the first on. */
  get snapshots(): number {
    return this.#snapshots;
  }

  /** The number of the last change in the view; 0 before there is one. */
  get change(): number {
    return this.#position?.change ?? 0;
  }

  /** For how long the view may have missed something; undefined before the first snapshot. */
  get staleMs(): number | undefined {
    return this.#wholeAt === undefined ? undefined : this.#options.clock.now() - this.#wholeAt;
  }

  start(): void {
    this.#done = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#interrupt.resolve(null);
    await this.#done;
  }

  heard({ changes, leases }: Beat): void {
    const { remote, clock } = this.#options;
    const unknown = remote.heard(leases);
    if (!this.#position) return;
    const { change: before, behind: wasBehind } = this.#atBeat;
    const behind = changes > this.change;
    const wentBack = changes < before;
    const seatMissed = unknown.length > 0 && changes <= before;
    const stuck = behind && wasBehind && this.change === before;
    this.#atBeat = { change: this.change, behind };
    if (wentBack || seatMissed || stuck) this.#startOver();
    else if (!behind) this.#wholeAt = clock.now();
  }

  #startOver(): void {
    this.#position = undefined;
    this.#interrupt.resolve(null);
  }

  async #follow(): Promise<void> {
    const { clock, random, onFault } = this.#options;
    const { signal } = this.#stopping;
    for (let tries = 0; !signal.aborted; ) {
      try {
        if (this.#position) await this.#next(this.#position);
        else await this.#load();
        tries = 0;
      } catch (error) {
        if (signal.aborted) return;
        onFault(error);
        const pauseMs = narrowJitterMs(tries++, registryLimits.retryMinMs, registryLimits.retryMaxMs, random);
        await sleep(clock, pauseMs, signal).catch(() => {});
      }
    }
  }

  /** Reads everything, in steps. What changes meanwhile stands in the stream behind the position that is taken first. */
  async #load(): Promise<void> {
    const { redis, keys, remote, beat, clock } = this.#options;
    const [change, id] = (await redis.run(scripts.position, [keys.meta], [])) as [number, string];
    const wholeAt = clock.now();
    const seats = remote.adopt((await beat()).leases);
    const present = new Set<string>();
    for (const { seat } of seats) await this.#loadSeat(seat, present);
    remote.keepOnly(new Set(seats.map(({ seat }) => seat)), present);
    this.#position = { change, id };
    this.#wholeAt = wholeAt;
    this.#atBeat = { change, behind: false };
    this.#snapshots++;
  }

  async #loadSeat(seat: string, present: Set<string>): Promise<void> {
    const { redis, keys, remote } = this.#options;
    let cursor = '0';
    do {
      this.#stopping.signal.throwIfAborted();
      const [next, ...fields] = (await redis.run(
        scripts.page,
        [keys.held(seat)],
        [cursor, registryLimits.pageSize],
      )) as [string, ...string[]];
      for (let i = 0; i + 1 < fields.length; i += 2) {
        const [connectionId = '', value = ''] = fields.slice(i, i + 2);
        present.add(connectionId);
        remote.put(seat, connectionId, value);
      }
      cursor = next;
    } while (cursor !== '0');
  }

  async #next(from: Position): Promise<void> {
    const { clock, time, onLag } = this.#options;
    const entries = await this.#read(from.id);
    // Whoever started over meanwhile wants nothing of the old way.
    if (this.#position !== from) return;
    for (const entry of entries) {
      if (!this.#apply(entry)) {
        this.#position = undefined;
        return;
      }
    }
    const last = entries.at(-1);
    if (last) onLag(Math.max(0, time.now() - Number.parseInt(last.id, 10)));
    if (entries.length < registryLimits.readCount) this.#wholeAt = clock.now();
  }

  /** False: a change is missing before it. */
  #apply({ id, fields }: Change): boolean {
    const { remote } = this.#options;
    const { seat = '', kind, id: connectionId = '', value = '' } = fields;
    const change = Number.parseInt(value, 10);
    if (change !== this.change + 1) return false;
    this.#position = { change, id };
    if (kind === 'put') remote.put(seat, connectionId, value);
    else if (kind === 'drop') remote.drop(connectionId);
    else if (kind === 'seat') remote.seat(seat, value.slice(value.indexOf(' ') + 1));
    else if (kind === 'left') remote.left(seat);
    return true;
  }

  /** Waits at Redis for the next changes; none when there were none in time. */
  async #read(afterId: string): Promise<readonly Change[]> {
    const { stream, keys } = this.#options;
    const { readCount, readBlockMs } = registryLimits;
    const args = ['COUNT', readCount, 'BLOCK', readBlockMs, 'STREAMS', keys.changes, afterId];
    this.#interrupt = Promise.withResolvers();
    const reply = await Promise.race([stream.call('XREAD', args), this.#interrupt.promise]);
    const [[, entries] = []] = (reply ?? []) as [[string, [string, string[]][]]?];
    return (entries ?? []).map(([id, fields]) => ({ id, fields: pairs(fields) }));
  }
}

function pairs(list: readonly string[]): Readonly<Record<string, string>> {
  const record: Record<string, string> = {};
  for (let i = 0; i + 1 < list.length; i += 2) record[String(list[i])] = String(list[i + 1]);
  return record;
}
