// The two ledgers of flow control. A sender spends credit that the receiver granted; a receiver grants again what was
// received (connection) or consumed (stream), and widens its window when that, not the line, is what holds the sender.
//
// At every moment, for each window: granted - sent = what the sender still holds, and it is never below zero.
import { ProtocolError } from './codec.ts';
import { closeCode } from './names.ts';
import type { RoundTrip } from './rtt.ts';

const maxCredit = 2 ** 31 - 1;

/** What this end may still send. */
export class SendCredit {
  #left: number;

  constructor(initialBytes: number) {
    this.#left = initialBytes;
  }

  get left(): number {
    return this.#left;
  }

  grant(bytes: number): void {
    if (bytes === 0 || this.#left + bytes > maxCredit) {
      throw new ProtocolError(
        closeCode.flowControl,
        bytes === 0 ? 'credit of 0 bytes' : 'more credit than a window can hold',
      );
    }
    this.#left += bytes;
  }

  /** The caller has checked `left`. */
  spend(bytes: number): void {
    this.#left -= bytes;
  }
}

export interface WindowRule {
  readonly initialBytes: number;
  readonly maxBytes: number;
  /** Whether the window shrinks when the round trip shows a queue on the line. */
  readonly yieldsToQueue: boolean;
}

/** What the other end may still send to this one. */
export class ReceiveWindow {
  readonly #rule: WindowRule;
  readonly #rtt: RoundTrip;
  #size: number;
  /** Granted and not received yet. */
  #outstanding: number;
  /** Received or consumed, and not granted again yet. */
  #owed = 0;
  /** Bytes by which the window shrank and that are still to be withheld. */
  #withhold = 0;
  #roundBytes = 0;
  #roundStart: number;

  constructor(rule: WindowRule, rtt: RoundTrip, now: number) {
    this.#rule = rule;
    this.#rtt = rtt;
    this.#size = rule.initialBytes;
    this.#outstanding = rule.initialBytes;
    this.#roundStart = now;
  }

  get sizeBytes(): number {
    return this.#size;
  }

  get outstandingBytes(): number {
    return this.#outstanding;
  }

  /** Bytes arrived. Throws when the other end had no credit for them. */
  receive(bytes: number): void {
    if (bytes > this.#outstanding) throw new ProtocolError(closeCode.flowControl, 'more data than credit');
    this.#outstanding -= bytes;
  }

  /**
   * Bytes may come again. Returns the credit to send now: 0 until a quarter of the window is owed. `mayGrow` is false
   * while the process is short of buffer memory.
   */
  giveBack(bytes: number, now: number, mayGrow: boolean): number {
    this.#owed += bytes;
    this.#roundBytes += bytes;
    if (this.#roundBytes >= this.#size) this.#endRound(now, mayGrow);
    const withheld = Math.min(this.#withhold, this.#owed);
    this.#withhold -= withheld;
    this.#owed -= withheld;
    if (this.#owed < this.#size / 4) return 0;
    const credit = this.#owed;
    this.#owed = 0;
    this.#outstanding += credit;
    return credit;
  }

  /** A whole window has passed: within two round trips and without a growing queue, the window was the limit. */
  #endRound(now: number, mayGrow: boolean): void {
    const tookMs = now - this.#roundStart;
    this.#roundBytes = 0;
    this.#roundStart = now;
    const rttMs = this.#rtt.lastMs;
    if (rttMs === undefined) return;
    if (this.#rule.yieldsToQueue && this.#rtt.inflation > 4) this.#shrink();
    else if (mayGrow && this.#rtt.inflation < 2 && tookMs <= 2 * Math.max(rttMs, 1)) this.#grow();
  }

  #grow(): void {
    const grown = Math.min(this.#size * 2, this.#rule.maxBytes);
    this.#owed += grown - this.#size;
    this.#size = grown;
  }

  #shrink(): void {
    const shrunk = Math.max(this.#size / 2, this.#rule.initialBytes);
    this.#withhold += this.#size - shrunk;
    this.#size = shrunk;
  }
}
