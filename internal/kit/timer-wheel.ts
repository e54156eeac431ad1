// Coarse timers for very many connections: one system timer, constant work per due entry, none per idle one.
import type { CancelTimer, Clock } from './clock.ts';

const slots = 512;

/** A timer that its owner keeps and may set again; it fires up to one tick late. */
export class WheelTimer {
  readonly onDue: () => void;
  /** Slot that holds it, -1 when not set. */
  slot = -1;
  /** Full turns of the wheel still to wait. */
  turns = 0;

  constructor(onDue: () => void) {
    this.onDue = onDue;
  }
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: Set<WheelTimer>[] = Array.from({ length: slots }, () => new Set());
  #cursor = 0;
  #set = 0;
  #cancelTick: CancelTimer | undefined;

  constructor(clock: Clock, tickMs = 100) {
    this.#clock = clock;
    this.#tickMs = tickMs;
  }

  /** Sets or moves the timer to fire after `ms`. */
  set(timer: WheelTimer, ms: number): void {
    this.cancel(timer);
    const ticks = Math.max(1, Math.ceil(ms / this.#tickMs));
    timer.slot = (this.#cursor + ticks) % slots;
    timer.turns = Math.floor((ticks - 1) / slots);
    this.#slots[timer.slot]?.add(timer);
    this.#set++;
    this.#cancelTick ??= this.#clock.after(this.#tickMs, this.#tick);
  }

  cancel(timer: WheelTimer): void {
    if (timer.slot === -1) return;
    this.#slots[timer.slot]?.delete(timer);
    timer.slot = -1;
    this.#set--;
    if (this.#set > 0) return;
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  readonly #tick = (): void => {
    this.#cancelTick = this.#clock.after(this.#tickMs, this.#tick);
    this.#cursor = (this.#cursor + 1) % slots;
    const slot = this.#slots[this.#cursor];
    if (!slot || slot.size === 0) return;
    // A copy: what fires may set timers into this very slot.
    for (const timer of [...slot]) {
      if (timer.slot !== this.#cursor) continue;
      if (timer.turns > 0) timer.turns--;
      else this.#fire(timer);
    }
  };

  #fire(timer: WheelTimer): void {
    this.cancel(timer);
    timer.onDue();
  }
}
