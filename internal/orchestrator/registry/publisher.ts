// Tells Redis of the connections of this pod, in the background and until it knows: one entry per connection waits,
// however often it changes, and a bounded number is on its way. After a loss everything is told again.
import { narrowJitterMs } from '../../kit/backoff.ts';
import type { CancelTimer, Clock, Random } from '../../kit/clock.ts';
import type { RedisCommands } from '../redis/redis-client.ts';
import { toRecord } from './fleet-record.ts';
import { podOf, type RegistryKeys } from './redis-keys.ts';
import { scripts } from './redis-scripts.ts';
import type { FleetConnection, Rival } from './registry.ts';
import { registryLimits } from './registry-limits.ts';

export interface PublisherOptions {
  readonly redis: Pick<RedisCommands, 'run'>;
  readonly keys: RegistryKeys;
  readonly clock: Clock;
  readonly random: Random;
  readonly onRanked: (connection: FleetConnection, epoch: number) => void;
  /** A newer connection of its agent is registered, perhaps by this very pod. */
  readonly onRival: (connection: FleetConnection, rival: Rival) => void;
  /** Redis does not know the seat any more. */
  readonly onLapsed: () => void;
  readonly onFault: (error: unknown) => void;
}

interface Own {
  readonly connection: FleetConnection;
  /** On the clock that only rises: Redis gets ages. */
  readonly welcomedAt: number;
  /** What the fleet gave it; 0 until then. */
  epoch: number;
  ended: boolean;
  /** When it was last on its way; undefined: never. */
  sentAt: number | undefined;
}

/** `failed` also: for a seat that is not this pod's any more. */
type Outcome = 'told' | 'lapsed' | 'failed';

export class Publisher {
  readonly #options: PublisherOptions;
  readonly #own = new Map<string, Own>();
  /** Connection id -> when it is time to tell of it. */
  readonly #due = new Map<string, number>();
  #seat: string | undefined;
  /** Writes are numbered, so that Redis can say which of this seat it still has. */
  #lastWrite = 0;
  #confirmedWrite = 0;
  #sending = 0;
  #tries = 0;
  #timer: { readonly dueAt: number; readonly cancel: CancelTimer } | undefined;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Connections whose last change Redis has not confirmed. */
  get depth(): number {
    return this.#due.size + this.#sending;
  }

  get confirmedWrite(): number {
    return this.#confirmedWrite;
  }

  /** The connection's epoch in the fleet; 0 while it has none. */
  epochOf(connectionId: string): number {
    return this.#own.get(connectionId)?.epoch ?? 0;
  }

  put(connection: FleetConnection): void {
    const now = this.#options.clock.now();
    const { connectionId } = connection;
    const own = this.#own.get(connectionId);
    if (!own) this.#own.set(connectionId, { connection, welcomedAt: now, epoch: 0, ended: false, sentAt: undefined });
    this.#mark(connectionId, Math.max(now, (own?.sentAt ?? -Infinity) + registryLimits.updateIntervalMs));
  }

  remove(connectionId: string): void {
    const own = this.#own.get(connectionId);
    if (!own) return;
    own.ended = true;
    if (own.sentAt === undefined) this.#forget(connectionId);
    else this.#mark(connectionId, this.#options.clock.now());
  }

  /** The pod has a new seat, with nothing in it. */
  moveTo(seat: string): void {
    this.#seat = seat;
    this.#confirmedWrite = 0;
    const now = this.#options.clock.now();
    for (const [connectionId, { ended }] of this.#own) {
      if (ended) this.#forget(connectionId);
      else this.#mark(connectionId, now);
    }
  }

  stop(): void {
    this.#seat = undefined;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #forget(connectionId: string): void {
    this.#own.delete(connectionId);
    this.#due.delete(connectionId);
  }

  #mark(connectionId: string, dueAt: number): void {
    this.#due.set(connectionId, Math.min(dueAt, this.#due.get(connectionId) ?? Infinity));
    this.#wake(dueAt);
  }

  /** One round at a time: what comes meanwhile waits and is told as it is by then. */
  #wake(dueAt: number): void {
    if (this.#sending > 0 || this.#seat === undefined) return;
    if (this.#timer && this.#timer.dueAt <= dueAt) return;
    this.#timer?.cancel();
    const { clock } = this.#options;
    const cancel = clock.after(Math.max(0, dueAt - clock.now()), () => void this.#round());
    this.#timer = { dueAt, cancel };
  }

  async #round(): Promise<void> {
    const { clock, random, onLapsed } = this.#options;
    this.#timer = undefined;
    const seat = this.#seat;
    const batch = this.#takeDue();
    if (seat === undefined || batch.length === 0) return this.#wakeForNext();
    this.#sending = batch.length;
    const outcomes = await Promise.all(batch.map((own) => this.#tell(seat, own)));
    this.#sending = 0;
    this.#tries = outcomes.every((outcome) => outcome === 'told') ? 0 : this.#tries + 1;
    if (outcomes.includes('lapsed')) onLapsed();
    const { retryMinMs, retryMaxMs } = registryLimits;
    const pauseMs = this.#tries === 0 ? 0 : narrowJitterMs(this.#tries - 1, retryMinMs, retryMaxMs, random);
    this.#wakeForNext(clock.now() + pauseMs);
  }

  #wakeForNext(notBefore = 0): void {
    let first = Infinity;
    for (const dueAt of this.#due.values()) first = Math.min(first, dueAt);
    if (first !== Infinity) this.#wake(Math.max(first, notBefore));
  }

  #takeDue(): Own[] {
    const now = this.#options.clock.now();
    const batch: Own[] = [];
    for (const [connectionId, dueAt] of this.#due) {
      if (batch.length === registryLimits.publishBatch) break;
      const own = this.#own.get(connectionId);
      if (!own || dueAt > now) continue;
      this.#due.delete(connectionId);
      batch.push(own);
    }
    return batch;
  }

  /** What was not told is due again. */
  async #tell(seat: string, own: Own): Promise<Outcome> {
    const { connectionId } = own.connection;
    const outcome = await this.#try(seat, own);
    if (outcome !== 'told' && this.#own.has(connectionId)) this.#mark(connectionId, this.#options.clock.now());
    return outcome;
  }

  async #try(seat: string, own: Own): Promise<Outcome> {
    const { clock, onFault } = this.#options;
    own.sentAt = clock.now();
    const write = ++this.#lastWrite;
    try {
      const held = await (own.ended ? this.#withdraw(seat, write, own) : this.#publish(seat, write, own));
      if (seat !== this.#seat) return 'failed';
      if (!held) return 'lapsed';
      this.#confirmedWrite = Math.max(this.#confirmedWrite, write);
      return 'told';
    } catch (error) {
      onFault(error);
      return 'failed';
    }
  }

  async #publish(seat: string, write: number, own: Own): Promise<boolean> {
    const { redis, keys, clock, onRanked, onRival } = this.#options;
    const { connection } = own;
    const { connectionId, agentId, instanceId, connectSeq } = connection;
    const reply = await redis.run(
      scripts.publish,
      [keys.leases, keys.writes, keys.meta, keys.newest, keys.held(seat), keys.changes],
      [
        ...[seat, write, registryLimits.keptChanges, connectionId, agentId, instanceId],
        String(connectSeq).padStart(20, '0'),
        Math.round(clock.now() - own.welcomedAt),
        own.epoch,
        toRecord(connection),
      ],
    );
    const [state, epoch, , rivalSeat, rivalInstance, rivalSeq] = reply as [string, number, ...string[]];
    if (state !== 'held') return false;
    if (own.ended) return true;
    if (own.epoch !== epoch) {
      own.epoch = epoch;
      onRanked(connection, epoch);
    }
    if (rivalSeat !== undefined && rivalInstance !== undefined && rivalSeq !== undefined) {
      onRival(connection, { podId: podOf(rivalSeat), instanceId: rivalInstance, connectSeq: BigInt(rivalSeq) });
    }
    return true;
  }

  async #withdraw(seat: string, write: number, { connection }: Own): Promise<boolean> {
    const { redis, keys } = this.#options;
    const { connectionId, agentId } = connection;
    const reply = await redis.run(
      scripts.withdraw,
      [keys.leases, keys.writes, keys.meta, keys.newest, keys.held(seat), keys.changes],
      [seat, write, registryLimits.keptChanges, connectionId, agentId],
    );
    const held = (reply as [string])[0] === 'held';
    if (held && seat === this.#seat) this.#forget(connectionId);
    return held;
  }
}
