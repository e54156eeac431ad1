// Whether the other end is still there. Pings keep a rhythm that depends only on whether streams are open; any inbound
// byte counts as life; silence beyond the agreed time ends the connection.
import type { Clock, Random } from '../kit/clock.ts';
import { type TimerWheel, WheelTimer } from '../kit/timer-wheel.ts';
import { limits } from './limits.ts';
import type { Agreement } from './mux-api.ts';
import type { RoundTrip } from './rtt.ts';

type Rhythm = Pick<Agreement, 'idlePingMs' | 'busyPingMs' | 'idleDeadMs' | 'busyDeadMs'>;

/** The connection whose life is watched. */
export interface Watched {
  readonly streamCount: number;
  /** When the last whole frame came, by the clock. */
  readonly lastInboundAt: number;
  /** Bytes that have come in so far: a large frame on a slow line is life too. */
  readonly bytesReceived: number;
  sendPing(nonce: number): void;
  /** Nothing came for longer than agreed. */
  onSilence(): void;
}

/** A timer that fires later than this means that this process stood still, and the silence may be its own. */
const ownStallMs = 1_000;

export class Liveness {
  readonly #watched: Watched;
  readonly #rhythm: Rhythm;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #wheel: TimerWheel;
  readonly #rtt: RoundTrip;
  readonly #timer = new WheelTimer(() => this.#due());
  #dueAt = 0;
  #busySince = 0;
  #nonce = 0;
  #pingedAt: number | undefined;
  #firstPings: number = limits.firstPings;
  #loopLagMs = 0;
  #bytesAtLastCheck = 0;

  constructor(watched: Watched, rhythm: Rhythm, rtt: RoundTrip, clock: Clock, random: Random, wheel: TimerWheel) {
    this.#watched = watched;
    this.#rhythm = rhythm;
    this.#rtt = rtt;
    this.#clock = clock;
    this.#random = random;
    this.#wheel = wheel;
  }

  /** How late this process was for the last check. */
  get loopLagMs(): number {
    return this.#loopLagMs;
  }

  start(): void {
    this.#ping();
    this.#schedule();
  }

  stop(): void {
    this.#wheel.cancel(this.#timer);
  }

  /** The first stream was opened on an idle connection. */
  becameBusy(): void {
    const now = this.#clock.now();
    this.#busySince = now;
    if (this.#dueAt - now > this.#rhythm.busyPingMs) this.#schedule();
  }

  /** Answers the round-trip time in milliseconds, or undefined for a nonce that is not the newest. */
  pong(nonce: number): number | undefined {
    if (nonce !== this.#nonce || this.#pingedAt === undefined) return undefined;
    const rttMs = this.#clock.now() - this.#pingedAt;
    this.#pingedAt = undefined;
    this.#rtt.sample(rttMs);
    if (this.#firstPings > 0) this.#pingAgain();
    return rttMs;
  }

  #due(): void {
    const now = this.#clock.now();
    this.#loopLagMs = Math.max(0, now - this.#dueAt);
    const heard = this.#watched.bytesReceived !== this.#bytesAtLastCheck;
    this.#bytesAtLastCheck = this.#watched.bytesReceived;
    if (!heard && this.#silenceMs(now) >= this.#deadMs && this.#loopLagMs < ownStallMs) {
      this.#watched.onSilence();
      return;
    }
    this.#ping();
    this.#schedule();
  }

  get #busy(): boolean {
    return this.#watched.streamCount > 0;
  }

  get #deadMs(): number {
    return this.#busy ? this.#rhythm.busyDeadMs : this.#rhythm.idleDeadMs;
  }

  #silenceMs(now: number): number {
    const since = this.#busy ? Math.max(this.#watched.lastInboundAt, this.#busySince) : this.#watched.lastInboundAt;
    return now - since;
  }

  #ping(): void {
    this.#nonce = (this.#nonce + 1) >>> 0;
    this.#pingedAt = this.#clock.now();
    this.#watched.sendPing(this.#nonce);
  }

  /** A program that has just started answers its first ping late, and the minimum must not stay that long. */
  #pingAgain(): void {
    this.#firstPings--;
    this.#ping();
  }

  #schedule(): void {
    const now = this.#clock.now();
    const spread = 1 + limits.idlePingSpread * (2 * this.#random() - 1);
    const pingMs = this.#busy ? this.#rhythm.busyPingMs : this.#rhythm.idlePingMs * spread;
    const untilDeadMs = this.#deadMs - this.#silenceMs(now);
    const delayMs = untilDeadMs > 0 ? Math.min(pingMs, untilDeadMs) : this.#rhythm.busyPingMs;
    this.#dueAt = now + delayMs;
    this.#wheel.set(this.#timer, delayMs);
  }
}
