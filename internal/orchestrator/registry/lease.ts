// That this pod is alive, said to Redis once per second whatever it holds; the answer says who else is. A pod that lost
// its lease, or part of what it wrote, takes a new seat and registers everything again.
import type { CancelTimer, Clock } from '../../kit/clock.ts';
import type { RedisCommands } from '../redis/redis-client.ts';
import { type RegistryKeys, seatOf } from './redis-keys.ts';
import { scripts } from './redis-scripts.ts';
import { registryLimits } from './registry-limits.ts';
import { type PodRecord, podRecord } from './remote-seats.ts';

export interface HeardLease {
  readonly seat: string;
  /** Milliseconds to its end; none left: it is over. */
  readonly leftMs: number;
  readonly record: string;
}

export interface Beat {
  /** Milliseconds of Redis' clock. */
  readonly nowMs: number;
  /** How many changes there were. */
  readonly changes: number;
  readonly leases: readonly HeardLease[];
}

export interface LeaseOptions {
  readonly redis: Pick<RedisCommands, 'run'>;
  readonly keys: RegistryKeys;
  readonly clock: Clock;
  readonly podId: string;
  readonly version: string;
  readonly newToken: () => string;
  /** The newest write to the present seat that Redis has confirmed. */
  readonly confirmedWrite: () => number;
  readonly onSeat: (seat: string) => void;
  readonly onBeat: (beat: Beat) => void;
  readonly onFault: (error: unknown) => void;
}

interface Answer extends Beat {
  readonly held: boolean;
  readonly newestWrite: number;
}

export class Lease {
  readonly #options: LeaseOptions;
  #record: PodRecord;
  #seat: string | undefined;
  /** The last beat, so that two never overlap. */
  #last: Promise<unknown> = Promise.resolve();
  #cancelNext: CancelTimer | undefined;
  #stopped = false;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#record = { address: '', version: options.version, draining: false };
  }

  get seat(): string | undefined {
    return this.#seat;
  }

  /** `address` is where other pods reach this one; empty when they cannot. */
  start(address: string): void {
    this.#record = { ...this.#record, address };
    this.#keepUp();
  }

  #keepUp(): void {
    const { clock, onFault } = this.#options;
    const startedAt = clock.now();
    void this.beat()
      .catch(onFault)
      .finally(() => {
        if (this.#stopped) return;
        const pauseMs = Math.max(0, registryLimits.beatMs - (clock.now() - startedAt));
        this.#cancelNext = clock.after(pauseMs, () => this.#keepUp());
      });
  }

  /** Renews now. */
  beat(): Promise<Beat> {
    const beat = this.#last.then(() => this.#beat());
    this.#last = beat.catch(() => {});
    return beat;
  }

  setDraining(): void {
    this.#record = { ...this.#record, draining: true };
    if (this.#seat) void this.beat().catch(this.#options.onFault);
  }

  /** No renewal goes out from now on; resolves when the last one is through. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelNext?.();
    await this.#last;
  }

  async #beat(): Promise<Beat> {
    const { confirmedWrite, onBeat } = this.#options;
    if (this.#stopped) throw new Error('the registry is stopped');
    const confirmed = confirmedWrite();
    const answer = this.#seat === undefined ? await this.#take() : await this.#say(this.#seat, 0);
    const intact = answer.held && answer.newestWrite >= confirmed;
    const beat = intact || this.#seat === undefined ? answer : await this.#take();
    onBeat(beat);
    return beat;
  }

  async #take(): Promise<Answer> {
    const { podId, newToken, onSeat } = this.#options;
    const seat = seatOf(podId, newToken());
    const answer = await this.#say(seat, 1);
    this.#seat = seat;
    onSeat(seat);
    return answer;
  }

  async #say(seat: string, take: 0 | 1): Promise<Answer> {
    const { redis, keys } = this.#options;
    const { leases, seats, writes, meta, changes } = keys;
    const { leaseMs, keptChanges } = registryLimits;
    const args = [seat, podRecord(this.#record), leaseMs, take, keptChanges];
    return toAnswer(await redis.run(scripts.beat, [leases, seats, writes, meta, changes], args));
  }
}

function toAnswer(reply: unknown): Answer {
  const [state, nowMs, changes, newestWrite, ...list] = reply as [string, number, number, number, ...unknown[]];
  const leases: HeardLease[] = [];
  for (let i = 0; i + 2 < list.length; i += 3) {
    leases.push({ seat: String(list[i]), leftMs: Number(list[i + 1]), record: String(list[i + 2]) });
  }
  return { held: state === 'held', nowMs, changes, newestWrite, leases };
}
